//! Documents of people and services as flat numbers. Of rules there are few, and they are parsed at every start.

use jiff::SignedDuration;
use jiff::civil::Date;

use super::{
    AccountOverride, Assignment, DirectGrant, Document, Employment, Few, GrantSpec, Name, OneOrMany, Person,
    Service, ServiceCredential, Status,
};
use crate::Sym;
use crate::packed::{Packed, Reader, Writer, packed, packed_words};
use crate::set::Spec;
use crate::when::{Length, When};

packed! {
    Person {
        id, name, username, email, timezone, employment, department, manager, start, end, employments, status,
        successor, sponsor, title, location, phone, employee_number, cost_center, attributes, keys, roles, grants,
        accounts,
    }
    Service {
        id, username, name, owners, purpose, holders, start, end, status, attributes, roles, grants, credentials,
        accounts,
    }
    Name { given, family, display }
    Employment { kind, department, manager, from, until }
    Assignment { role, from, until, reason }
    DirectGrant { grant, from, until, reason }
    GrantSpec { target, profile, entitlement }
    Spec { kind, name, role }
    AccountOverride { username, anchor }
    ServiceCredential { target, credential, rotate, deliver }
}

packed_words! {
    Status { Active = 0, Suspended = 1, Departed = 2 }
}

impl Document {
    /// Writes an identity's document; whether it is one.
    pub fn pack_identity(&self, into: &mut Writer) -> bool {
        match self {
            Document::Person(person) => {
                true.pack(into);
                person.pack(into);
            }
            Document::Service(service) => {
                false.pack(into);
                service.pack(into);
            }
            _ => return false,
        }
        true
    }

    /// Reads an identity's document.
    pub fn unpack_identity(from: &mut Reader<'_>) -> Option<Document> {
        Some(match bool::unpack(from)? {
            true => Document::Person(Box::new(Person::unpack(from)?)),
            false => Document::Service(Box::new(Service::unpack(from)?)),
        })
    }
}

impl<T: Packed> Packed for Few<T> {
    fn pack(&self, into: &mut Writer) {
        into.word(u32::try_from(self.iter().len()).unwrap_or(u32::MAX));
        for (name, value) in self {
            name.pack(into);
            value.pack(into);
        }
    }
    fn unpack(from: &mut Reader<'_>) -> Option<Few<T>> {
        Some(Few::of(Vec::<(Sym, T)>::unpack(from)?))
    }
}

impl Packed for OneOrMany {
    fn pack(&self, into: &mut Writer) {
        match self {
            OneOrMany::Main(account) => {
                true.pack(into);
                account.pack(into);
            }
            OneOrMany::Profiles(profiles) => {
                false.pack(into);
                profiles.pack(into);
            }
        }
    }
    fn unpack(from: &mut Reader<'_>) -> Option<OneOrMany> {
        Some(match bool::unpack(from)? {
            true => OneOrMany::Main(Packed::unpack(from)?),
            false => OneOrMany::Profiles(Packed::unpack(from)?),
        })
    }
}

impl Packed for When {
    fn pack(&self, into: &mut Writer) {
        match self {
            When::Day(day) => {
                true.pack(into);
                i32::from(day.year()).pack(into);
                i32::from(day.month()).pack(into);
                i32::from(day.day()).pack(into);
            }
            When::Instant(instant) => {
                false.pack(into);
                instant.pack(into);
            }
        }
    }
    fn unpack(from: &mut Reader<'_>) -> Option<When> {
        if !bool::unpack(from)? {
            return Some(When::Instant(Packed::unpack(from)?));
        }
        let (year, month, day) = (i32::unpack(from)?, i32::unpack(from)?, i32::unpack(from)?);
        let day = Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?);
        Some(When::Day(day.ok()?))
    }
}

impl Packed for Length {
    fn pack(&self, into: &mut Writer) {
        self.0.as_secs().pack(into);
        self.0.subsec_nanos().pack(into);
    }
    fn unpack(from: &mut Reader<'_>) -> Option<Length> {
        let (seconds, nanoseconds) = (i64::unpack(from)?, i32::unpack(from)?);
        Some(Length(SignedDuration::new(seconds, nanoseconds)))
    }
}
