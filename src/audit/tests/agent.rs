//! A signing key that an SSH agent holds: the daemon never reads it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use provost_audit::Log;
use provost_audit::key::SigningKey;
use ssh_key::PublicKey;

use crate::kit::{World, drift, genesis, try_git};

/// OpenSSH's own agent, with the key of a world; it ends with this.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(world: &World) -> Agent {
        let socket = world.folder.path().join("agent");
        drop(std::fs::remove_file(&socket));
        let mut start = Command::new("ssh-agent");
        start.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Agent { child: start.spawn().unwrap(), socket };
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&agent.socket).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the agent does not start");
            std::thread::yield_now();
        }
        agent
    }

    fn add(&self, world: &World) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(world.folder.path().join("key")).env("SSH_AUTH_SOCK", &self.socket);
        assert!(add.stderr(Stdio::null()).status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The key of a world, as the agent at its usual place holds it.
fn held(world: &World) -> SigningKey {
    let public = PublicKey::from_openssh(&world.key().public_line()).unwrap();
    SigningKey::of_agent(public, &world.folder.path().join("agent")).unwrap()
}

#[test]
fn what_an_agent_signs_git_verifies() {
    let world = World::new();
    // The file exists only so that ssh-add can read it.
    drop(world.key());
    let agent = Agent::start(&world);
    agent.add(&world);
    let mut log = Log::create(&world.state(), held(&world), genesis()).unwrap();
    log.record(&[drift("p-1", "a"), drift("p-2", "b")]).unwrap();
    log.flush().unwrap();
    let signers = format!("gpg.ssh.allowedSignersFile={}", world.allowed_signers().display());
    for commit in ["provost/audit", "provost/audit~2"] {
        let arguments = ["-c", "gpg.format=ssh", "-c", &signers, "verify-commit", commit];
        assert!(try_git(&world.repository(), &arguments).status.success(), "{commit}");
    }
}

#[test]
fn an_agent_that_is_gone_stops_records_and_one_that_is_back_goes_on() {
    let world = World::new();
    drop(world.key());
    let agent = Agent::start(&world);
    agent.add(&world);
    let mut log = Log::create(&world.state(), held(&world), genesis()).unwrap();
    drop(agent);
    let error = log.record(&[drift("p-1", "a")]).unwrap_err();
    assert!(!error.is_fatal() && error.to_string().contains("the agent"), "{error}");
    let agent = Agent::start(&world);
    let error = log.record(&[drift("p-1", "a")]).unwrap_err();
    assert!(error.to_string().contains("ssh-add -L"), "it has no keys yet: {error}");
    agent.add(&world);
    assert_eq!(log.record(&[drift("p-1", "a")]).unwrap()[0].seq, 2);
    log.flush().unwrap();
    world.git(&["fsck", "--strict"]);
}
