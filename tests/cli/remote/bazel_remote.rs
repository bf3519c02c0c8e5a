//! What bazel-remote wants of those who speak to it: passwords and encryption. The rest is in [`super::contract`].

use super::real::{Kind, certificate};
use super::*;
use std::fs;

#[test]
fn bazel_remote_that_wants_a_password_gets_it_and_is_read_by_those_who_have_none() {
    for (kind, refusal) in [
        (Kind::BazelRemoteHttp, "it refuses writing (401"),
        (Kind::BazelRemoteGrpc, "it refuses that (Unauthenticated"),
    ] {
        wants_a_password(kind, refusal);
    }
}

fn wants_a_password(kind: Kind, refusal: &str) {
    let p = workspace();
    // me:secret, as htpasswd writes it.
    let users = p.root().with_file_name("users");
    fs::write(&users, "me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let users = users.to_str().unwrap().to_owned();
    let more = ["--htpasswd_file", &users, "--allow_unauthenticated_reads"];
    let Some(server) = kind.start(&p, &more) else { return };
    let with_password = server.url.replace("://", "://me:secret@");
    let run = writing(&p, &with_password).run().success();
    assert!(warnings(&run).is_empty(), "{run}");
    let second = p.elsewhere();
    second.write(
        "Cargo.toml",
        second.read("Cargo.toml") + &step("more", "", "inputs = []\noutputs = []"),
    );
    let run = writing(&second, &server.url).run().success();
    assert_eq!(second.ran(), ["more"], "{run}");
    assert!(warnings(&run).len() == 1 && warnings(&run)[0].contains(refusal), "{run}");
}

#[test]
fn bazel_remote_is_spoken_to_with_encryption_if_its_certificate_is_one_that_is_trusted() {
    for kind in [Kind::BazelRemoteHttp, Kind::BazelRemoteGrpc] {
        is_spoken_to_with_encryption(kind);
    }
}

fn is_spoken_to_with_encryption(kind: Kind) {
    let p = workspace();
    let [certificate, key] = certificate(&p);
    let more = ["--tls_cert_file", &certificate, "--tls_key_file", &key];
    let Some(server) = kind.start(&p, &more) else { return };
    let url = server.url.replace("://127.0.0.1", "s://localhost");
    let run = writing(&p, &url).env("SSL_CERT_FILE", &certificate).run().success();
    assert!(warnings(&run).is_empty(), "{run}");
    let second = p.elsewhere();
    reading(&second, &url).env("SSL_CERT_FILE", &certificate).run().success();
    assert!(second.ran().is_empty());
    assert_eq!(left_by(&second), left_by(&p));

    let stranger = p.elsewhere();
    let run = reading(&stranger, &url).run().success();
    assert_eq!(stranger.ran().len(), 4);
    assert!(
        warnings(&run).len() == 1
            && warnings(&run)[0].contains("no encrypted connection comes about"),
        "{run}"
    );
}
