//! The conformance suite against servers that really run: the embedded directory, a strict reference and a popular
//! library, each directly and behind the proxy of faults.

use std::sync::Arc;

use provost_conformance::proxy::{Elements, Fault, Pages, Proxy, Script};
use provost_conformance::systems::Running;
use provost_conformance::{Options, Verdict, run};
use provost_sdk::{SecretString, Settings};

use crate::fake::settings;

/// The foreign servers validate a whole group at every write, and one of them finds no name in another case, so that
/// every create reads its whole list: their time goes with the square of these numbers.
fn smaller(accounts: usize, members: usize) -> Options {
    Options { accounts, members, ..Options::default() }
}

/// Tells the whole story.
async fn passes(url: &str, token: &str, options: Options) {
    tell(&settings(url, token), &options).await;
}

/// Tells the story with many requests in trouble and small pages, so that 300 accounts are many of them.
async fn passes_behind_faults(url: &str, token: &str, trouble: Trouble) {
    let Trouble { seed, one_in, page, at_once, members } = trouble;
    let script = Script::Seeded { seed, one_in, faults: Fault::all() };
    let pages = Pages { elements: Elements::Under("Resources".to_owned()), most: Some(("count", page)) };
    let proxy = Proxy::start(url, script, pages).await.unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(!host.is_empty());
    let mut settings = settings(&format!("{}/{path}", proxy.address()), token);
    settings.limits.concurrency = at_once;
    tell(&settings, &smaller(300, members)).await;
    let faults = proxy.faults();
    assert!(faults.len() == Fault::all().len(), "a fault never happened: {faults:?}");
}

/// What a run behind the proxy is like.
struct Trouble {
    seed: u64,
    /// One request in so many.
    one_in: u32,
    page: usize,
    at_once: usize,
    members: usize,
}

async fn tell(settings: &Settings, options: &Options) {
    let report = run(&provost_scim::Scim::new(), settings, options, &mut |chapter| {
        let verdict = match &chapter.verdict {
            Verdict::NotApplicable { missing } => format!("needs {missing}"),
            verdict => format!("{verdict:?}"),
        };
        eprintln!("{:>8.2} s  {}: {verdict}", chapter.seconds, chapter.chapter);
    })
    .await;
    assert!(report.passed(), "{:#?}", report.failures().collect::<Vec<_>>());
}

/// Serves the embedded directory until the test's runtime ends.
async fn directory(folder: &std::path::Path) -> String {
    let directory = provost_directory::Directory::open(folder.join("directory.db")).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), provost_directory::BASE_PATH);
    let settings = provost_directory::Settings::new(SecretString::from("token".to_owned()));
    let served =
        provost_directory::serve(listener, Arc::new(directory), settings, std::future::pending::<()>());
    tokio::spawn(served);
    url
}

async fn system(name: &'static str) -> (Running, String, String) {
    let running = tokio::task::spawn_blocking(move || Running::start(name)).await.unwrap().unwrap();
    let (url, token) =
        (running.setting("URL").unwrap().to_owned(), running.setting("TOKEN").unwrap().to_owned());
    (running, url, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_directory_passes() {
    let folder = tempfile::tempdir().unwrap();
    passes(&directory(folder.path()).await, "token", Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_directory_passes_behind_faults() {
    let folder = tempfile::tempdir().unwrap();
    passes_behind_faults(
        &directory(folder.path()).await,
        "token",
        Trouble { seed: 1, one_in: 3, page: 50, at_once: 8, members: 300 },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_server_passes() {
    let (_running, url, token) = system("scim2-server").await;
    passes(&url, &token, smaller(1_050, 250)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_server_passes_behind_faults() {
    let (_running, url, token) = system("scim2-server").await;
    passes_behind_faults(&url, &token, Trouble { seed: 2, one_in: 3, page: 50, at_once: 8, members: 100 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scimmy_passes() {
    let (_running, url, token) = system("scimmy").await;
    passes(&url, &token, smaller(200, 100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scimmy_passes_behind_faults() {
    let (_running, url, token) = system("scimmy").await;
    // After a lost answer its whole list is the only witness, and one that grows meanwhile is begun again: one account
    // at a time, three pages, and half the faults, which have to be waited for one after the other.
    passes_behind_faults(&url, &token, Trouble { seed: 3, one_in: 6, page: 150, at_once: 1, members: 20 })
        .await;
}
