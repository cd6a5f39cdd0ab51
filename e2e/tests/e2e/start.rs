//! How a server starts, or says why it does not.

use std::net::TcpListener;

use e2e::Server;

#[test]
fn bad_settings_stop_the_start_all_at_once() {
    let exit = Server::builder()
        .set("PORT", "80a")
        .set("HOST", "localhost")
        .set("ACCESS_LOG", "yes")
        .set("MAX_HEAD_BYTES", "10")
        .set("IDLE_TIMEOUT_MS", "1.5")
        .run();
    assert_eq!(exit.code, Some(78));
    assert_eq!(
        exit.stderr,
        "todo: HOST=\"localhost\" is not an IPv4 or IPv6 address such as 127.0.0.1 or ::\n\
         todo: PORT=\"80a\" is not a whole number from 0 to 65535\n\
         todo: ACCESS_LOG=\"yes\" is not on or off\n\
         todo: MAX_HEAD_BYTES=\"10\" is not a whole number from 8192 to 1048576\n\
         todo: IDLE_TIMEOUT_MS=\"1.5\" is not a whole number from 1 to 3600000\n"
    );
}

#[test]
fn a_taken_port_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let exit = Server::builder().set("PORT", port).run();
    assert_eq!(exit.code, Some(69));
    let expected =
        format!("todo: port {port} is taken: stop what uses it, or set PORT to another one\n");
    assert_eq!(exit.stderr, expected);
}

#[test]
fn an_address_of_another_machine_stops_the_start() {
    for host in ["192.0.2.1", "2001:db8::1"] {
        let exit = Server::builder().set("HOST", host).run();
        assert_eq!(exit.code, Some(69));
        assert_eq!(exit.stderr, format!("todo: HOST={host} is not an address of this machine\n"));
    }
}

#[test]
fn the_port_is_free_again_right_after_the_end() {
    let first = Server::start();
    let address = first.address();
    let mut client = first.connect();
    client.get("/health");
    drop(first);
    let second = Server::builder().set("PORT", address.port()).start();
    assert_eq!(second.address(), address);
    second.assert_serves();
}
