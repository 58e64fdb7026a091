//! Causes and reasons as sentences for people.

use std::fmt;

use super::model::{Cause, Lifecycle, Reason, Source, Window};

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause { source, chain, window, reason, document } = self;
        match source {
            Source::Birthright { role } => write!(f, "role {role} by birthright")?,
            Source::Assignment { role, .. } => write!(f, "role {role} by assignment")?,
            Source::Direct { .. } => f.write_str("granted directly")?,
            Source::BreakGlass { policy } => write!(f, "taken in an emergency by {policy}")?,
        }
        if let [_, included @ ..] = &chain[..]
            && !included.is_empty()
        {
            let names: Vec<&str> = included.iter().map(|role| role.as_str()).collect();
            write!(f, ", which includes {}", names.join(" > "))?;
        }
        if *window != Window::ALWAYS {
            write!(f, ", {window}")?;
        }
        if let Some(reason) = reason {
            write!(f, " ({reason})")?;
        }
        document.map_or(Ok(()), |document| write!(f, ", {document}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::RoleNotInForce => f.write_str("no version of the role is in force"),
            Reason::NotActive { lifecycle } => write!(f, "the identity is {lifecycle}"),
            Reason::Condition { condition, values } => {
                write!(f, "its condition is not met: {condition}")?;
                for (index, (field, value)) in values.iter().enumerate() {
                    f.write_str(if index == 0 { ", because " } else { " and " })?;
                    match value {
                        Some(value) => write!(f, "{field} is '{value}'")?,
                        None => write!(f, "{field} is not given")?,
                    }
                }
                Ok(())
            }
            Reason::OtherSubject => f.write_str("its condition is about another kind of identity"),
            Reason::NotAssigned => f.write_str("nobody assigned it, and it has no condition"),
            Reason::NotYet { from } => write!(f, "it is assigned from {from} on"),
            Reason::Ended { since } => write!(f, "it was assigned until {since}"),
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lifecycle::NotYet { from } => write!(f, "not there before {from}"),
            Lifecycle::Active => f.write_str("active"),
            Lifecycle::Suspended => f.write_str("suspended"),
            Lifecycle::Left { since: Some(since), .. } => write!(f, "gone since {since}"),
            Lifecycle::Left { since: None, .. } => f.write_str("gone"),
            Lifecycle::Unknown => f.write_str("unknown"),
        }
    }
}
