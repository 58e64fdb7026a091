//! A real system starts on a port of its own, and is gone when it is dropped.

use std::net::{TcpStream, ToSocketAddrs};

use provost_conformance::systems::{Running, SystemError};

#[test]
fn a_system_runs_until_it_is_dropped() -> Result<(), Box<dyn std::error::Error>> {
    let running = Running::start("scim2-server")?;
    let url = running.setting("URL")?.to_owned();
    let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let address = host.to_socket_addrs()?.next().ok_or("the script writes an address")?;
    assert!(TcpStream::connect(address).is_ok());
    assert!(running.folder().join("env").exists());
    assert!(matches!(running.setting("NOTHING"), Err(SystemError::Setting { .. })));
    drop(running);
    assert!(TcpStream::connect(address).is_err());
    Ok(())
}

#[test]
fn a_script_that_is_not_there_is_an_error() {
    let error = Running::start("no-such-system").expect_err("there is no such script");
    assert!(error.to_string().contains("no-such-system.sh"), "{error}");
}
