//! The same against a web server that stores what is PUT and knows nothing of caches: nginx with its WebDAV module.

use super::serving::{self, Serving};
use super::*;
use crate::sandbox::could_not_run;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

pub(super) struct Nginx {
    child: Child,
    pub(super) url: String,
    /// What it keeps.
    pub(super) kept: PathBuf,
}

impl Nginx {
    /// None where there is no such program.
    pub(super) fn start(p: &Project) -> Option<Self> {
        let dir = p.root().with_file_name("nginx");
        fs::create_dir_all(&dir).unwrap();
        // Its workers are of another user otherwise, where it is started by root.
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        let started = serving::started(&dir.join("log"), |[port, _]| {
            fs::write(dir.join("configuration"), configuration(&dir, &user, port)).unwrap();
            let mut command = Command::new("nginx");
            command.arg("-p").arg(&dir).args(["-e", "stderr", "-c"]).arg(dir.join("configuration"));
            command
        });
        let Ok(Serving { child, port }) = started else {
            could_not_run("there is no nginx (Debian: apt-get install nginx-light)");
            return None;
        };
        let url = format!("http://127.0.0.1:{port}");
        Some(Self { child, url, kept: dir.join("kept") })
    }
}

/// A server that lets everybody write below `dir`.
fn configuration(dir: &Path, user: &str, port: u16) -> String {
    let dir = dir.display();
    format!(
        "daemon off; worker_processes 1; pid {dir}/pid; error_log stderr; user {user};
events {{ }}
http {{
    access_log off; client_max_body_size 1g; client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{ root {dir}/kept; dav_methods PUT; create_full_put_path on; }}
    }}
}}
"
    )
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The first process ends the others.
        let process = self.child.id().to_string();
        let _ = Command::new("kill").arg(process).status();
        let _ = self.child.wait();
    }
}

#[test]
fn a_plain_web_server_shares_all_sorts_of_results() {
    let p = workspace();
    let Some(server) = Nginx::start(&p) else { return };
    let url = &server.url;
    contract::all_sorts_are_shared(&p, &|p| writing(p, url), &|p| reading(p, url));
}
