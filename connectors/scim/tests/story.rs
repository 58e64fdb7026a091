//! The life of an account, told to a server that really runs: `SCIM_URL` and `SCIM_TOKEN` name it.

use provost_sdk::*;

pub fn settings(url: &str, token: &str) -> Settings {
    let mut settings = Settings { target: "throwaway".to_owned(), ..Settings::default() };
    settings.config.insert("url".to_owned(), url.into());
    settings.secrets.insert("token".to_owned(), token.into());
    settings
}

fn key() -> IdempotencyKey {
    IdempotencyKey("k".to_owned())
}

#[tokio::test]
async fn live() {
    let Ok(url) = std::env::var("SCIM_URL") else { return };
    let s = settings(&url, &std::env::var("SCIM_TOKEN").unwrap());
    let c = provost_scim::Scim::new();
    let r = c.reader(&s).unwrap();
    let w = c.writer(&s).unwrap();
    let st = c.stage(&s).unwrap().unwrap();
    println!("{:#?}", r.describe().await.unwrap());
    println!("{:#?}", r.probe().await.unwrap());
    let mut seen = Collected::default();
    println!("{:?}", r.observe(None, &mut seen).await.unwrap());
    let g = st.make_entitlement("group", "engineers").await.unwrap();
    let h = st.make_entitlement("group", "outer").await.unwrap();
    println!("nest {:?}", st.nest(&g, &h).await);
    let mut attributes = Attributes::new();
    for (n, v) in [
        ("display_name", "Ada Osei"),
        ("given_name", "Ada"),
        ("family_name", "Osei"),
        ("email", "ada@example.com"),
        ("phone", "+49 30 1"),
        ("title", "Dr"),
    ] {
        attributes.insert(n.to_owned(), v.into());
    }
    let new = Create { kind: "user".into(), username: "Ada".into(), attributes, identity: "p-1".into() };
    let made = w.apply(&Operation::Create(new.clone()), &key()).await.unwrap();
    println!("{made:#?}");
    println!("again: {:?}", w.apply(&Operation::Create(new.clone()), &key()).await);
    println!(
        "again: {:?}",
        w.apply(&Operation::Create(Create { username: "ADA".into(), ..new.clone() }), &key()).await
    );
    let a = made.account.unwrap();
    let account = AccountRef { anchor: a.anchor.clone(), username: a.username.clone() };
    let e =
        EntitlementRef { kind: "group".into(), anchor: g.anchor.clone(), name: g.name.clone(), role: None };
    for _ in 0..2 {
        let got = w
            .apply(&Operation::Grant { account: account.clone(), entitlement: e.clone() }, &key())
            .await
            .unwrap();
        println!("grant {} {:?}", got.changed, got.account.unwrap().entitlements);
    }
    let mut changes = std::collections::BTreeMap::new();
    changes.insert("title".to_owned(), None);
    changes.insert("email".to_owned(), Some(Value::from("ada.osei@example.com")));
    changes.insert("given_name".to_owned(), Some(Value::from("Adah")));
    changes.insert("department".to_owned(), Some(Value::from("eng")));
    println!(
        "update {:?}",
        w.apply(&Operation::Update { account: account.clone(), changes: changes.clone() }, &key()).await
    );
    changes.remove("department");
    println!("update {:?}", w.apply(&Operation::Update { account: account.clone(), changes }, &key()).await);
    println!(
        "rename {:?}",
        w.apply(&Operation::Rename { account: account.clone(), to: "aosei".into() }, &key()).await
    );
    for op in [
        Operation::Disable { account: account.clone() },
        Operation::Disable { account: account.clone() },
        Operation::Enable { account: account.clone() },
    ] {
        let got = w.apply(&op, &key()).await.unwrap();
        println!("{} {} {:?}", op.verb().as_str(), got.changed, got.account.unwrap().state);
    }
    println!(
        "look up {:?}",
        r.look_up(&Wanted::Username("AOSEI".into())).await.unwrap().map(|a| a.entitlements)
    );
    println!("look up {:?}", r.look_up(&Wanted::Username("nobody".into())).await.unwrap());
    let mut seen = Collected::default();
    println!("{:?} {:#?}", r.observe(None, &mut seen).await.unwrap(), seen.items);
    for _ in 0..2 {
        let got = w
            .apply(&Operation::Revoke { account: account.clone(), entitlement: e.clone() }, &key())
            .await
            .unwrap();
        println!("revoke {} {:?}", got.changed, got.account.unwrap().entitlements);
    }
    for _ in 0..2 {
        println!("delete {:?}", w.apply(&Operation::Delete { account: account.clone() }, &key()).await);
    }
    println!("gone {:?}", r.look_up(&Wanted::Anchor(account.anchor.clone())).await);
    println!("disable gone {:?}", w.apply(&Operation::Disable { account: account.clone() }, &key()).await);
    st.remove_entitlement(&g).await.unwrap();
}
