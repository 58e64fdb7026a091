//! One pass of a reader over a directory, as JSON: `pass URL USER ACCOUNTS GROUPS CA_FILE PAGE_SIZE`, the password in
//! LDAP_PASSWORD. For `benches/ldap.sh`.

use std::error::Error;
use std::time::Instant;

use provost_ldap::Ldap;
use provost_sdk::{Collected, Completeness, Connector, Item, SecretString, Settings};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, user, accounts, groups, ca_file, page_size] = arguments.as_slice() else {
        return Err("usage: pass URL USER ACCOUNTS GROUPS CA_FILE PAGE_SIZE".into());
    };
    let page_size: u64 = page_size.parse()?;
    let config = json!({
        "url": url, "user": user, "accounts": accounts, "groups": groups, "ca_file": ca_file, "page_size": page_size,
    });
    let password = SecretString::from(std::env::var("LDAP_PASSWORD")?);
    let settings = Settings {
        target: "bench".into(),
        config: config.as_object().cloned().unwrap_or_default(),
        secrets: [("password".to_owned(), password)].into(),
        ..Settings::default()
    };
    // What the daemon does for one whole read.
    let reader = Ldap::new().reader(&settings)?;
    reader.describe().await?;
    reader.probe().await?;
    let mut sink = Collected::default();
    let read = reader.observe(None, &mut sink).await?;
    let seconds = started.elapsed().as_secs_f64();
    if let Completeness::Partial(why) = read.completeness {
        return Err(why.into());
    }
    let count = |wanted: fn(&Item) -> bool| sink.items.iter().filter(|item| wanted(item)).count();
    let told = json!({
        "seconds": seconds,
        "accounts": count(|item| matches!(item, Item::Account(_))),
        "groups": count(|item| matches!(item, Item::Members { .. })),
    });
    println!("{told}");
    Ok(())
}
