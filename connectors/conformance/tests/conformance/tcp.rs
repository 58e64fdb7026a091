//! The proxy of connections in front of a counter that answers line by line.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use provost_conformance::proxy::{Fault, Script, TcpProxy};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Lines = Arc<Mutex<Vec<String>>>;

/// Notes every line and answers it with `done LINE`.
async fn upstream() -> io::Result<(String, Lines)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?.to_string();
    let lines = Lines::default();
    let noted = lines.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let noted = noted.clone();
            tokio::spawn(async move {
                let (from, mut to) = stream.split();
                let mut from = BufReader::new(from).lines();
                while let Ok(Some(line)) = from.next_line().await {
                    noted.lock().expect("nobody panics with it").push(line.clone());
                    if to.write_all(format!("done {line}\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok((address, lines))
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(proxy: &TcpProxy) -> io::Result<Client> {
        Ok(Client(BufReader::new(TcpStream::connect(proxy.address()).await?)))
    }

    /// Says a line and hears the answer. An error is a cut connection.
    async fn say(&mut self, line: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        match self.0.read_line(&mut answer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(answer.trim_end().to_owned()),
        }
    }
}

async fn listed(faults: Vec<Option<Fault>>) -> io::Result<(TcpProxy, Lines)> {
    let (address, lines) = upstream().await?;
    Ok((TcpProxy::start(&address, Script::Listed(faults)).await?, lines))
}

fn heard(lines: &Lines) -> Vec<String> {
    lines.lock().expect("nobody panics with it").clone()
}

#[tokio::test]
async fn without_a_fault_both_directions_pass_through() -> io::Result<()> {
    let (proxy, lines) = listed(vec![]).await?;
    let mut client = Client::connect(&proxy).await?;
    for line in ["a", "b"] {
        assert_eq!(client.say(line).await?, format!("done {line}"));
    }
    assert_eq!(heard(&lines), ["a", "b"]);
    assert_eq!((proxy.requests(), proxy.faults()), (2, BTreeMap::new()));
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_reaches_nobody_and_the_next_one_may() -> io::Result<()> {
    let (proxy, lines) = listed(vec![Some(Fault::Refused)]).await?;
    assert!(Client::connect(&proxy).await?.say("a").await.is_err());
    assert_eq!(Client::connect(&proxy).await?.say("b").await?, "done b");
    assert_eq!(heard(&lines), ["b"]);
    assert_eq!(proxy.faults(), BTreeMap::from([("refused", 1)]));
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_before_a_request_has_not_done_it() -> io::Result<()> {
    let (proxy, lines) = listed(vec![None, None, Some(Fault::CutBefore)]).await?;
    let mut client = Client::connect(&proxy).await?;
    assert_eq!(client.say("a").await?, "done a");
    assert!(client.say("b").await.is_err());
    assert_eq!(heard(&lines), ["a"]);
    assert_eq!(proxy.faults(), BTreeMap::from([("cut-before", 1)]));
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_after_a_request_has_done_it() -> io::Result<()> {
    let (proxy, lines) = listed(vec![None, None, Some(Fault::CutAfter)]).await?;
    let mut client = Client::connect(&proxy).await?;
    assert_eq!(client.say("a").await?, "done a");
    assert!(client.say("b").await.is_err());
    assert_eq!(heard(&lines), ["a", "b"]);
    assert_eq!(proxy.faults(), BTreeMap::from([("cut-after", 1)]));
    Ok(())
}

#[tokio::test]
async fn each_direction_can_be_slow() -> io::Result<()> {
    let time = Duration::from_millis(40);
    for (fault, name) in [(Fault::Slow(time), "slow"), (Fault::SlowAnswer(time), "slow-answer")] {
        let (proxy, lines) = listed(vec![None, Some(fault)]).await?;
        let mut client = Client::connect(&proxy).await?;
        let started = Instant::now();
        assert_eq!(client.say("a").await?, "done a");
        assert!(started.elapsed() >= time, "{name}");
        assert_eq!(heard(&lines), ["a"]);
        assert_eq!(proxy.faults(), BTreeMap::from([(name, 1)]));
    }
    Ok(())
}

#[tokio::test]
async fn the_same_seed_brings_the_same_faults_and_whoever_begins_again_gets_on() -> io::Result<()> {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (address, _) = upstream().await?;
        let script = Script::Seeded { seed: 7, one_in: 3, faults: Fault::of_connections() };
        let proxy = TcpProxy::start(&address, script).await?;
        let mut furthest = Vec::new();
        // A piece of work of twelve requests, begun again from its first after every cut.
        for work in 0..20 {
            let (mut tries, mut done) = (0, 0);
            while done < 12 {
                (tries, done) = (tries + 1, 0);
                let mut client = Client::connect(&proxy).await?;
                while done < 12 && client.say("step").await.is_ok() {
                    done += 1;
                }
                assert!(tries <= 8, "the work {work} came no further than {done}");
            }
            furthest.push(tries);
        }
        assert_eq!(proxy.faults().len(), Fault::of_connections().len(), "{:?}", proxy.faults());
        runs.push((furthest, proxy.faults()));
    }
    assert_eq!(runs[0], runs[1]);
    Ok(())
}
