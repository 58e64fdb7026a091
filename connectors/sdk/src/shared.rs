//! What the reader and the writer of one target share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::{Result, Settings};

/// The systems that a connector has open: one for all readers and writers of the same settings, for as long as one of
/// them is there. They share its connections, and what one learns of the system the others know.
#[derive(Debug)]
pub struct Shared<S>(Mutex<Vec<Weak<S>>>);

impl<S> Shared<S> {
    /// The one that is open with the same settings, of which `settings_of` tells; else a new one.
    ///
    /// # Errors
    /// Whatever `open` gives.
    pub fn get(
        &self,
        settings: &Settings,
        settings_of: impl Fn(&S) -> &Settings,
        open: impl FnOnce(&Settings) -> Result<S>,
    ) -> Result<Arc<S>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        let same = |one: &Arc<S>| settings_of(one).opens_the_same(settings);
        if let Some(one) = all.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(one);
        }
        let one = Arc::new(open(settings)?);
        all.push(Arc::downgrade(&one));
        Ok(one)
    }
}

impl<S> Default for Shared<S> {
    fn default() -> Shared<S> {
        Shared(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretString;

    #[test]
    fn the_same_settings_share_one_for_as_long_as_it_is_held_and_another_secret_opens_another() {
        let with = |token: &str| Settings {
            target: "forge".to_owned(),
            secrets: [("token".to_owned(), SecretString::from(token.to_owned()))].into(),
            ..Settings::default()
        };
        let shared = Shared::<Settings>::default();
        let get = |token: &str| shared.get(&with(token), |held| held, |settings| Ok(settings.clone()));
        let first = get("one").expect("it opens");
        assert!(Arc::ptr_eq(&first, &get("one").expect("it opens")));
        assert!(!Arc::ptr_eq(&first, &get("two").expect("it opens")));
        let held = Arc::downgrade(&first);
        drop(first);
        assert!(held.upgrade().is_none(), "nothing else keeps it");
    }
}
