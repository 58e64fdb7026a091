//! Passwords: made here, set by the operations that make a server hash them, and told to nobody but the receipt.

use std::time::Duration;

use ldap3::Scope;
use ldap3::exop::PasswordModify;
use provost_sdk::{Anchor, Error, ErrorKind, ExposeSecret, Result, SecretString, State};

use crate::apply::{Done, Found, On};
use crate::error::NO_SUCH_ATTRIBUTE;
use crate::flavour::Flavour;
use crate::server::{Change, Query};

/// The only kind of credential.
pub(crate) const PASSWORD: &str = "password";
/// The date of a password has whole seconds: a second one of the same second is made again in the next.
const NEXT_SECOND: Duration = Duration::from_millis(1_100);

/// A new password: 244 random bits in the three kinds of letters that policies ask for.
pub(crate) fn generate() -> SecretString {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    SecretString::from(format!("{}-{}", half(), half().to_uppercase()))
}

/// A password as `unicodePwd` takes it (MS-ADTS 3.1.1.3.1.5): in quotes, UTF-16.
pub(crate) fn quoted(password: &SecretString) -> Vec<u8> {
    format!("\"{}\"", password.expose_secret()).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Gives an account a new password. Its id is the date that the server keeps of it.
pub(crate) async fn issue(on: &mut On<'_, '_>, found: &Found) -> Result<Done> {
    let Found { entry, account } = found;
    if account.state == State::Disabled {
        let message = format!("{} is disabled, and a new password would let it in again.", account.username);
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let before = date(on, &entry.dn).await?;
    for again in [false, true] {
        if again {
            tokio::time::sleep(NEXT_SECOND).await;
        }
        let secret = generate();
        set(on, found, &secret).await?;
        refuse_readable(on, found, &secret).await?;
        match date(on, &entry.dn).await.map_err(Error::in_doubt)? {
            Some(date) if Some(&date) != before.as_ref() => {
                return Ok(Done { changed: true, credential: Some((Anchor(date), secret)) });
            }
            Some(_) => {}
            None => break,
        }
    }
    clear(on, found).await.map_err(Error::in_doubt)?;
    let message = format!(
        "The server does not keep when the password of {} was set (`{}`), so that it could not be revoked.",
        account.username,
        on.facts.flavour.password_changed()
    );
    Err(Error::new(ErrorKind::Configuration, message))
}

/// Takes a password away if it is still the one with this id; whether it was.
pub(crate) async fn revoke(on: &mut On<'_, '_>, found: &Found, credential: &Anchor) -> Result<bool> {
    let current = date(on, &found.entry.dn).await?;
    if current.as_deref() != Some(credential.as_str()) {
        return Ok(false);
    }
    clear(on, found).await
}

/// Sets a password.
pub(crate) async fn set(on: &mut On<'_, '_>, found: &Found, password: &SecretString) -> Result<()> {
    let doing = format!("a new password of {}", found.account.username);
    match on.facts.flavour {
        Flavour::ActiveDirectory => {
            // The password before the last one goes on working for an hour: let that be one that nobody knows.
            for password in [&generate(), password] {
                let change = Change::Set("unicodePwd".into(), vec![quoted(password)]);
                let aim = on.facts.aim(&found.entry.dn, &found.account.anchor);
                on.session.modify(&aim, vec![change], &doing, &[]).await?;
            }
            Ok(())
        }
        _ => {
            let call = PasswordModify {
                user_id: Some(&found.entry.dn),
                old_pass: None,
                new_pass: Some(password.expose_secret()),
            };
            on.session.extended(call, &doing).await?;
            // The call goes by name; whose name it was then is looked at now.
            match on.look_up(&found.account.anchor).await.map_err(Error::in_doubt)? {
                Some(after) if after.entry.dn == found.entry.dn => Ok(()),
                _ => {
                    let message =
                        format!("{} was renamed while it was given a password.", found.account.username);
                    Err(Error::new(ErrorKind::Conflict, message).in_doubt())
                }
            }
        }
    }
}

/// Leaves an account without a password that anybody knows; whether there was one.
async fn clear(on: &mut On<'_, '_>, found: &Found) -> Result<bool> {
    if on.facts.flavour == Flavour::ActiveDirectory {
        set(on, found, &generate()).await?;
        return Ok(true);
    }
    let aim = on.facts.aim(&found.entry.dn, &found.account.anchor);
    let doing = format!("taking the password of {}", found.account.username);
    let change = Change::Clear("userPassword".into());
    Ok(on.session.modify(&aim, vec![change], &doing, &[NO_SUCH_ATTRIBUTE]).await? == 0)
}

/// When the password was last set, as the server writes it.
async fn date(on: &mut On<'_, '_>, dn: &str) -> Result<Option<String>> {
    let name = on.facts.flavour.password_changed();
    let query = Query { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes: &[name] };
    Ok(on.session.one(query).await?.and_then(|entry| entry.text(name).map(str::to_owned)))
}

/// A server that keeps passwords readable, and shows them, gets none.
async fn refuse_readable(on: &mut On<'_, '_>, found: &Found, secret: &SecretString) -> Result<()> {
    let query = Query {
        base: &found.entry.dn,
        scope: Scope::Base,
        filter: "(objectClass=*)",
        attributes: &["userPassword"],
    };
    let entry = on.session.one(query).await.map_err(Error::in_doubt)?;
    let readable = |entry: &crate::entry::Entry| {
        entry.texts("userPassword").iter().any(|kept| kept.ends_with(secret.expose_secret()))
    };
    if !entry.as_ref().is_some_and(readable) {
        return Ok(());
    }
    clear(on, found).await.map_err(Error::in_doubt)?;
    let message = "The server keeps passwords readable: set a hash (`password-hash {ARGON2}` or another).";
    Err(Error::new(ErrorKind::Configuration, message))
}
