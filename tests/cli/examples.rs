//! The examples on the real tools: copies of `examples/`, built, changed and taken back. What stands in front of a tool notes what the
//! tool was asked for, so that what ran is known from the tools themselves. `go_monorepo` does the same for `examples/monorepo-build`.

use crate::project::{Invocation, Project, Run};
use crate::sandbox::could_not_run;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What is noted of each tool, as shell code that prints it: nothing where it is only asked for its version or its settings.
const TOOLS: [(&str, &str); 5] = [
    (
        "go",
        r#"case $1 in build | vet) echo "go $1" ;; test) for last; do :; done; echo "compile ${last#./}" ;; esac"#,
    ),
    (
        "python3",
        r#"case $1 in -*) ;; */server.py) echo "service for $(basename "$2" .db)" ;; *) basename "$1" .py ;; esac"#,
    ),
    ("protoc", r#"case $1 in --version) ;; *) echo protoc ;; esac"#),
    // Scripts of npm's packages, and npm itself, are started by it.
    (
        "node",
        r#"case "$*" in *--version*) ;; *csso*) echo "csso $(basename "$2" .css)" ;; *) basename "$1" ;; esac"#,
    ),
    (
        "cargo",
        r#"case $1 in run) for word; do test "$before" = --package && echo "cargo run $word"; before=$word; done ;; esac"#,
    ),
];

/// A copy of an example, with every tool noted that its steps start.
fn example(name: &str) -> Project {
    let p = Project::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name));
    let front = front(&p);
    fs::create_dir_all(&front).unwrap();
    for (tool, note) in TOOLS {
        let Some(real) = in_path(tool) else { continue };
        let script = format!(
            "#!/bin/sh\n{{ {note}; }} >> '{}'\nexec '{}' \"$@\"\n",
            p.log().display(),
            real.display()
        );
        fs::write(front.join(tool), script).unwrap();
        fs::set_permissions(front.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    p
}

fn front(p: &Project) -> PathBuf {
    p.log().with_file_name("front")
}

fn in_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|tool| tool.is_file())
}

/// Whether the tools are there; says which is not.
fn are_there(tools: &[&str]) -> bool {
    let missing = tools.iter().find(|tool| in_path(tool).is_none());
    if let Some(tool) = missing {
        could_not_run(&format!("`{tool}` is not installed"));
    }
    missing.is_none()
}

/// `cargo granular ARGUMENTS` with all that the tools download, and what Go has compiled, kept between tests.
fn granular(p: &Project, arguments: &str, env: &[(&str, &str)]) -> Run {
    with_tools(p, p.command(arguments), env)
}

/// The same for any command. `cargo granular` is this very program.
fn with_tools(p: &Project, invocation: Invocation, env: &[(&str, &str)]) -> Run {
    let path = std::env::var_os("PATH").unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_cargo-granular")).parent().unwrap().to_path_buf();
    let path = [front(p), own].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).unwrap();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut invocation = invocation.env("PATH", path.to_str().unwrap());
    for (name, dir) in
        [("GOCACHE", "go-cache"), ("GOMODCACHE", "go-modules"), ("npm_config_cache", "npm-cache")]
    {
        invocation = invocation.env(name, kept.join(dir).to_str().unwrap());
    }
    // How this machine gets at the registries.
    const NETWORK: [&str; 9] = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
    ];
    let npmrc = std::env::var_os("HOME")
        .map(|home| Path::new(&home).join(".npmrc"))
        .filter(|file| file.exists());
    invocation.command.envs(npmrc.map(|file| ("npm_config_userconfig", file)));
    let go_or_npm = |name: &str| {
        ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GOFLAGS"].contains(&name)
            || name.to_lowercase().starts_with("npm_config_")
    };
    let of_network =
        std::env::vars().filter(|(name, _)| NETWORK.contains(&&**name) || go_or_npm(name));
    invocation.command.envs(of_network.filter(|(name, _)| name != "npm_config_cache"));
    invocation.command.envs(env.iter().copied());
    invocation.run()
}

/// What ran; numbers of processes are left out.
fn ran(p: &Project) -> Vec<String> {
    let without = |line: String| {
        line.split_once("probe-").map_or(line.clone(), |(before, _)| format!("{before}probe"))
    };
    p.ran().into_iter().map(without).collect()
}

/// Builds or tests, which has to go well, and says what ran.
fn ran_by(p: &Project, arguments: &str) -> Vec<String> {
    let _ = granular(p, arguments, &[]).success();
    ran(p)
}

/// Puts `to` in place of `from`, which is there once.
#[track_caller]
fn change(p: &Project, file: &str, from: &str, to: &str) {
    let text = p.read(file);
    assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
    p.write(file, text.replace(from, to));
}

/// Something that serves on this machine, until it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts it; `url` finds the address in the first line that it prints.
    fn start(command: &mut Command, url: impl Fn(&str) -> String) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { url: url(line.trim()), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_pipeline_runs_the_stages_behind_a_change_and_no_others() {
    if !are_there(&["python3"]) {
        return;
    }
    let p = example("data-pipeline");
    change(&p, "source.json", "200000", "20000"); // the same, sooner
    let report = || p.read_out("report/report.csv");
    assert_eq!(ran_by(&p, "build"), ["analyse", "clean", "fetch", "report", "shop", "transform"]);
    let first = report();
    assert!(first.lines().count() > 30, "{first}");
    assert_eq!(ran_by(&p, "build"), [""; 0]);

    change(&p, "pipeline/report.py", "TITLE = \"Sales\"", "TITLE = \"Sales of half a year\"");
    assert_eq!(ran_by(&p, "build"), ["report"]);
    assert!(p.read_out("report/report.html").contains("half a year"));

    let clean = p.read("pipeline/clean.py");
    p.write("pipeline/clean.py", clean.clone() + "\n# A comment.\n");
    assert_eq!(ran_by(&p, "build"), ["clean"], "the same orders come out");
    change(&p, "pipeline/clean.py", "return \"no customer\"", "return None");
    assert_eq!(ran_by(&p, "build"), ["analyse", "clean", "report", "transform"]);
    assert_ne!(report(), first);
    p.write("pipeline/clean.py", clean);
    assert_eq!(ran_by(&p, "build"), [""; 0], "a change taken back is restored");
    assert_eq!(report(), first);

    let mut serve = Command::new("python3");
    serve.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]);
    serve.arg(p.path("target/granular/out/@workspace/shop"));
    let server = Server::start(&mut serve, |line| {
        let port = line.split_once(" port ").unwrap().1.split(' ').next().unwrap().to_owned();
        format!("http://127.0.0.1:{port}")
    });
    let _ = granular(&p, "build", &[("SALES_URL", &server.url)]).success();
    assert_eq!(ran(&p), ["fetch"], "the same bytes from another address");
    drop(server);

    change(&p, "source.json", "2024-06", "2024-07");
    assert_eq!(ran_by(&p, "build"), ["analyse", "clean", "fetch", "report", "shop", "transform"]);
    assert_ne!(report(), first);

    let other = p.checkout("a second checkout");
    assert_eq!(ran_by(&other, "build"), [""; 0]);
    assert_eq!(other.read_out("report/report.csv"), report());
}

#[test]
fn the_audit_runs_when_the_report_or_the_sales_are_others() {
    if !are_there(&["python3"]) {
        return;
    }
    let p = example("data-pipeline");
    change(&p, "source.json", "200000", "5000");
    assert_eq!(ran_by(&p, "test").last().map(String::as_str), Some("transform"));
    assert_eq!(ran_by(&p, "test"), [""; 0]);
    change(
        &p,
        "pipeline/analyse.py",
        "by_region[row[\"region\"]] += cents",
        "by_region[row[\"region\"]] += 1",
    );
    for _ in 0..2 {
        let failed = granular(&p, "test", &[]).code(1);
        assert!(failed.stderr().contains("audit: region `"), "{failed}");
        assert!(ran(&p).contains(&"cargo run audit".to_owned()), "what failed runs again");
    }
}

#[test]
fn the_wrapped_tools_run_when_what_they_read_has_changed() {
    if !are_there(&["protoc", "go", "npm", "node"]) {
        return;
    }
    let p = example("tool-wrapper");
    let fetched = granular(&p, "build protoc-gen-go web-tools", &[]);
    if let Some(refused) = refused_by_the_network(&fetched) {
        return could_not_run(&format!("packages cannot be fetched here: {refused}"));
    }
    let _ = fetched.success();
    assert_eq!(ran(&p), ["go build", "npm"]);
    assert_eq!(
        ran_by(&p, "build"),
        ["csso print", "csso shop", "eslint", "go vet", "protoc", "svgo", "terser"]
    );
    assert_eq!(ran_by(&p, "build"), [""; 0]);
    assert_eq!(ran_by(&p, "test"), ["cargo run budget"]);
    let minified = p.read_out("css/sheet=shop/shop.css");
    assert!(minified.contains(".card{") && minified.len() < p.read("web/src/shop.css").len());

    p.write("web/src/shop.css", p.read("web/src/shop.css") + "/* A comment. */\n");
    assert_eq!(ran_by(&p, "build"), ["csso shop"]);
    assert_eq!(ran_by(&p, "test"), [""; 0], "the same bytes are of the same size");

    let product = p.read("proto/catalog/v1/product.proto");
    p.write("proto/catalog/v1/product.proto", product.clone() + "\n// A comment.\n");
    assert_eq!(ran_by(&p, "build"), ["protoc"], "the same code comes out");
    change(
        &p,
        "proto/catalog/v1/product.proto",
        "uint32 stock = 5;",
        "uint32 stock = 5;\n  string note = 6;",
    );
    assert_eq!(ran_by(&p, "build"), ["go vet", "protoc"]);
    assert!(p.read("gen/catalog/v1/product.pb.go").contains("GetNote"));
    p.write("proto/catalog/v1/product.proto", product);

    let cart = p.read("web/src/cart.js");
    p.write("web/src/cart.js", cart.clone() + "\nundeclared();\n");
    for expected in [&["eslint", "terser"][..], &["eslint"]] {
        let failed = granular(&p, "build --keep-going", &[]).code(1);
        assert!(failed.stderr().contains("'undeclared' is not defined"), "{failed}");
        assert_eq!(ran(&p), expected);
    }
    p.write("web/src/cart.js", cart);
    assert_eq!(ran_by(&p, "build"), [""; 0], "all as it was");

    for made in ["target", "gen", "web/node_modules"] {
        p.remove(made);
    }
    assert_eq!(ran_by(&p, "build"), [""; 0], "what was deleted is restored");
    assert!(
        p.path("gen/catalog/v1/catalog.pb.go").exists()
            && p.path("web/node_modules/.bin/eslint").exists()
    );

    // The same kinds of tools without a step for each.
    let exec = || {
        let _ = with_tools(&p, p.command("").inside(&["sh", "exec.sh"]), &[]).success();
        ran(&p)
    };
    assert_eq!(
        exec(),
        ["protoc", "svgo"],
        "`go vet` and eslint are what the steps have run already"
    );
    assert_eq!(exec(), [""; 0]);
    p.remove("catalog.binpb");
    assert_eq!(exec(), [""; 0], "restored");
    assert!(p.path("catalog.binpb").exists());
    p.write("web/src/cart.js", p.read("web/src/cart.js") + "\n// A comment.\n");
    assert_eq!(exec(), ["eslint"]);
}

/// What a package manager says where it cannot reach its registry.
fn refused_by_the_network(run: &Run) -> Option<String> {
    const SAYS: [&str; 10] = [
        "ENOTFOUND",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "EAI_AGAIN",
        "ENETUNREACH",
        "dial tcp",
        "i/o timeout",
        "proxyconnect",
        "E403",
    ];
    let told = run.stderr();
    told.lines()
        .find(|line| SAYS.iter().any(|word| line.contains(word)))
        .map(|line| line.trim().to_owned())
}

const ALL_SERVICES: [&str; 3] =
    ["service for customers", "service for orders", "service for stock"];
const ALL_BINARIES: [&str; 3] = ["compile customers", "compile orders", "compile stock"];

#[test]
fn integration_tests_run_when_their_binary_or_the_service_is_another() {
    if !are_there(&["go", "python3"]) {
        return;
    }
    let p = example("test-caching");
    let first = ran_by(&p, "test");
    let of_probe = ["cargo run probe", "service for probe"];
    assert_eq!(first, sorted(&[&ALL_BINARIES, &ALL_SERVICES, &of_probe]));
    assert_eq!(ran_by(&p, "test"), [""; 0]);

    change(
        &p,
        "orders/orders.go",
        "// Place sells all of lines, or nothing.",
        "// Place sells everything or nothing.",
    );
    assert_eq!(ran_by(&p, "test"), ALL_BINARIES, "compiled, and the same came out");

    let code =
        "\n//go:noinline\nfunc revision() int { return 4711 }\n\nfunc init() { revision() }\n";
    p.write("stock/stock.go", p.read("stock/stock.go") + code);
    let expected = sorted(&[&ALL_BINARIES, &["service for orders", "service for stock"]]);
    assert_eq!(ran_by(&p, "test"), expected, "`customers` has nothing of it");

    let test = p.read("stock/stock_test.go");
    change(&p, "stock/stock_test.go", "count != 7", "count != 8");
    for expected in [&["compile stock", "service for stock"][..], &["service for stock"]] {
        let failed = granular(&p, "test --keep-going", &[]).code(1);
        assert!(failed.stderr().contains("3 and 4 are 7"), "{failed}");
        assert_eq!(ran(&p), expected, "what failed runs, and nothing else");
    }
    p.write("stock/stock_test.go", test);
    assert_eq!(ran_by(&p, "test"), [""; 0], "it has passed like this before");

    p.write("service/schema.sql", p.read("service/schema.sql") + "\n-- A comment.\n");
    assert_eq!(ran_by(&p, "test"), sorted(&[&ALL_SERVICES, &of_probe]), "another service");

    let mut serve = Command::new("python3");
    serve.arg(p.path("service/server.py")).arg(p.log().with_file_name("running.db"));
    let server =
        Server::start(&mut serve, |line| line.trim_start_matches("listening on ").to_owned());
    let env = [("SERVICE_URL", server.url.as_str()), ("SERVICE_VERSION", "1.4.0")];
    let against = granular(&p, "test", &env).success();
    assert_eq!(against.stderr().matches("Ran #integration").count(), 3, "{against}");
    assert_eq!(ran(&p), [""; 0], "none was started");
    let again = granular(&p, "test", &env).success();
    assert!(!again.stderr().contains("Ran"), "{again}");
    let newer = granular(&p, "test", &[env[0], ("SERVICE_VERSION", "1.5.0")]).success();
    assert_eq!(newer.stderr().matches("Ran #integration").count(), 3, "{newer}");
}

fn sorted(parts: &[&[&str]]) -> Vec<String> {
    let mut all: Vec<_> = parts.concat().into_iter().map(str::to_owned).collect();
    all.sort();
    all
}
