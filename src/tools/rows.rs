//! The rows: what is known of each tool. Data only.
//!
//! `pass` is what a tool needs to work and what does not change its output: caches, proxies, credentials, where its managers
//! keep it. `track` is what changes its output. A variable that a tool obeys and that is in neither is not seen by it; a step
//! declares it. A version is asked for in the cheapest way that tells releases apart and that names neither a time nor,
//! if possible, a place.

use super::{Beside, KnownTool, Variables};

/// The row and the name of it that `name` is.
pub(super) fn named(name: &str) -> Option<(&'static KnownTool, &'static str)> {
    ROWS.iter().find_map(|row| row.names.iter().find(|known| **known == name).map(|known| (row, *known)))
}

/// For everything that downloads: proxies and certificates.
const NETWORK: Variables = &[
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NETRC",
];

/// For everything that calls git or ssh.
const GIT: Variables = &[
    "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_TERMINAL_PROMPT", "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
];

/// Where programs keep their things below the home directory.
const HOMES: Variables = &["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"];

/// Managers that stand in for many tools, and where they keep them.
const MANAGERS: Variables = &["ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR", "MISE_CACHE_DIR", "MISE_CONFIG_DIR"];

/// Caches that stand in for a compiler.
const COMPILER_CACHES: Variables = &["CCACHE_DIR", "CCACHE_CONFIGPATH", "SCCACHE_DIR", "SCCACHE_CONF"];

/// Which compilers builds of C and C++ take, and with what.
const COMPILERS: Variables = &[
    "CC", "CXX", "CPP", "LD", "AR", "AS", "NM", "RANLIB", "STRIP", "OBJCOPY", "FC", "CFLAGS", "CXXFLAGS", "CPPFLAGS",
    "LDFLAGS", "LDLIBS", "FFLAGS", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR",
];

/// What compilers themselves read.
const COMPILING: Variables = &[
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH",
    "GCC_EXEC_PREFIX", "LD_RUN_PATH", "LD_LIBRARY_PATH", "SOURCE_DATE_EPOCH", "SDKROOT", "DEVELOPER_DIR",
    "MACOSX_DEPLOYMENT_TARGET",
];

const NODE_PASS: Variables = &[
    "NODE_EXTRA_CA_CERTS", "NVM_DIR", "NVM_BIN", "FNM_DIR", "FNM_MULTISHELL_PATH", "VOLTA_HOME", "N_PREFIX", "NODENV_ROOT",
    "COREPACK_HOME", "COREPACK_NPM_REGISTRY", "COREPACK_ENABLE_DOWNLOAD_PROMPT",
];
const NODE_TRACK: Variables = &["NODE_ENV", "NODE_OPTIONS", "NODE_PATH", "NODENV_VERSION", "ASDF_NODEJS_VERSION", "SOURCE_DATE_EPOCH"];
const NPM_PASS: Variables = &[
    "NPM_TOKEN", "NODE_AUTH_TOKEN", "NPM_CONFIG_CACHE", "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG", "NPM_CONFIG_GLOBALCONFIG",
    "npm_config_cache", "npm_config_registry", "npm_config_userconfig", "npm_config_globalconfig",
];
const NPM_TRACK: Variables = &["NPM_CONFIG_OMIT", "NPM_CONFIG_PRODUCTION", "npm_config_omit", "npm_config_production"];

const PYTHON_PASS: Variables = &["PYENV_ROOT", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"];
const PYTHON_TRACK: Variables = &[
    "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYENV_VERSION", "ASDF_PYTHON_VERSION",
    "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONSAFEPATH", "PYTHONNOUSERSITE",
    "PYTHONWARNINGS", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "SOURCE_DATE_EPOCH",
];
const PIP_PASS: Variables = &[
    "PIP_CACHE_DIR", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY",
    "PIP_CONFIG_FILE", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_INPUT",
];
const PIP_TRACK: Variables = &[
    "PIP_CONSTRAINT", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_BINARY", "PIP_ONLY_BINARY", "PIP_PRE", "PIP_NO_INDEX", "PIP_FIND_LINKS",
    "PIP_TARGET",
];

/// The toolchain shows in what its programs say of their version, and rustup sets the variable itself wherever one Cargo starts another.
const RUST_PASS: Variables = &["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_DIST_SERVER", "RUSTUP_UPDATE_ROOT", "RUSTUP_TOOLCHAIN"];
const RUST_TRACK: Variables = &["RUSTC_BOOTSTRAP", "SOURCE_DATE_EPOCH"];

const JAVA_TRACK: Variables =
    &["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JDK_JAVAC_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "SOURCE_DATE_EPOCH"];

/// What nothing more is known of than how to ask for its version.
const PLAIN: KnownTool =
    KnownTool { names: &[], version: &["--version"], pass: &[], track: &[], jobserver: false, beside: None };

/// What a program that is one file depends on: nothing else.
const ALONE: Option<&[Beside]> = Some(&[]);

const RUSTUP: Option<&[Beside]> = Some(&[Beside::Rustup]);

const ROWS: &[KnownTool] = &[
    KnownTool {
        names: &["go"],
        // What `go env -w` has set is in no variable; this way it is seen. No name here has a place as its value.
        version: &[
            "env", "GOVERSION", "GOOS", "GOARCH", "GOFLAGS", "GOEXPERIMENT", "GOTOOLCHAIN", "GO111MODULE", "GODEBUG",
            "GOFIPS140", "GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64", "GOWASM",
            "CGO_ENABLED", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_FFLAGS", "CGO_LDFLAGS", "CC", "CXX", "FC",
            "AR", "PKG_CONFIG",
        ],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, COMPILER_CACHES, &[
            "GOCACHE", "GOMODCACHE", "GOPATH", "GOBIN", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY",
            "GOINSECURE", "GOVCS", "GOTMPDIR", "GOAUTH", "GOCACHEPROG", "GOTELEMETRY", "GOTELEMETRYDIR", "GOMAXPROCS",
        ]],
        track: &[COMPILING, &[
            "GOFLAGS", "GOOS", "GOARCH", "GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64",
            "GORISCV64", "GOWASM", "GOEXPERIMENT", "GOTOOLCHAIN", "GOWORK", "GO111MODULE", "GOROOT", "GOENV", "GODEBUG",
            "GOFIPS140", "GCCGO", "GCCGOTOOLDIR", "GO_EXTLINK_ENABLED", "ASDF_GOLANG_VERSION", "CGO_ENABLED", "CGO_CFLAGS",
            "CGO_CFLAGS_ALLOW", "CGO_CFLAGS_DISALLOW", "CGO_CPPFLAGS", "CGO_CPPFLAGS_ALLOW", "CGO_CPPFLAGS_DISALLOW",
            "CGO_CXXFLAGS", "CGO_CXXFLAGS_ALLOW", "CGO_CXXFLAGS_DISALLOW", "CGO_FFLAGS", "CGO_FFLAGS_ALLOW",
            "CGO_FFLAGS_DISALLOW", "CGO_LDFLAGS", "CGO_LDFLAGS_ALLOW", "CGO_LDFLAGS_DISALLOW", "CC", "CXX", "FC", "AR",
            "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR",
        ]],
        jobserver: false,
        // Modules and workspaces name the toolchain that they want.
        beside: Some(&[
            Beside::Own("../VERSION"), Beside::Own("../go.env"), Beside::Upward("go.work"), Beside::Upward("go.mod"),
            Beside::Config("go/env"),
        ]),
    },
    // It cannot say its version, and is one file.
    KnownTool { names: &["gofmt"], version: &[], ..PLAIN },
    KnownTool { names: &["protoc"], beside: ALONE, ..PLAIN },
    KnownTool {
        names: &["buf"],
        pass: &[NETWORK, GIT, HOMES, &["BUF_CACHE_DIR", "BUF_CONFIG_DIR", "BUF_TOKEN", "BUF_USER"]],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["python", "python3"],
        version: &["-VV"],
        pass: &[NETWORK, HOMES, MANAGERS, PYTHON_PASS],
        track: &[PYTHON_TRACK],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["pip", "pip3"],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, PYTHON_PASS, PIP_PASS, COMPILER_CACHES],
        track: &[PYTHON_TRACK, PIP_TRACK, COMPILERS, COMPILING],
        ..PLAIN
    },
    KnownTool {
        names: &["uv", "uvx"],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, PYTHON_PASS, COMPILER_CACHES, &[
            "UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL",
            "UV_PYTHON_INSTALL_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_OFFLINE",
            "UV_HTTP_TIMEOUT", "UV_LINK_MODE", "UV_NO_PROGRESS", "UV_CONCURRENT_DOWNLOADS",
        ]],
        track: &[PYTHON_TRACK, COMPILERS, COMPILING, &[
            "UV_PYTHON", "UV_PYTHON_PREFERENCE", "UV_PYTHON_DOWNLOADS", "UV_PROJECT_ENVIRONMENT", "UV_FROZEN", "UV_LOCKED",
            "UV_RESOLUTION", "UV_PRERELEASE", "UV_EXCLUDE_NEWER", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_NO_DEV", "UV_NO_SYNC",
            "UV_COMPILE_BYTECODE", "UV_SYSTEM_PYTHON", "UV_NO_BINARY", "UV_NO_BUILD",
        ]],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["node"],
        pass: &[NETWORK, HOMES, MANAGERS, NODE_PASS],
        track: &[NODE_TRACK],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["npm", "npx"],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, NODE_PASS, NPM_PASS],
        track: &[NODE_TRACK, NPM_TRACK],
        beside: Some(&[Beside::Package("../package.json")]),
        ..PLAIN
    },
    KnownTool {
        names: &["pnpm", "pnpx"],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, NODE_PASS, NPM_PASS, &["PNPM_HOME"]],
        track: &[NODE_TRACK, NPM_TRACK],
        ..PLAIN
    },
    KnownTool {
        names: &["yarn", "yarnpkg"],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, NODE_PASS, NPM_PASS, &[
            "YARN_CACHE_FOLDER", "YARN_GLOBAL_FOLDER", "YARN_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "YARN_NPM_AUTH_TOKEN",
            "YARN_ENABLE_TELEMETRY", "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY",
        ]],
        track: &[NODE_TRACK, NPM_TRACK, &["YARN_NODE_LINKER", "YARN_IGNORE_PATH", "YARN_RC_FILENAME"]],
        ..PLAIN
    },
    KnownTool {
        names: &["bun", "bunx"],
        version: &["--revision"],
        pass: &[NETWORK, GIT, HOMES, MANAGERS, NPM_PASS, &["BUN_INSTALL", "BUN_INSTALL_CACHE_DIR", "BUN_TMPDIR", "NODE_EXTRA_CA_CERTS"]],
        track: &[NODE_TRACK, NPM_TRACK, &["BUN_OPTIONS", "BUN_CONFIG_VERBOSE_FETCH", "BUN_RUNTIME_TRANSPILER_CACHE_PATH"]],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["deno"],
        pass: &[NETWORK, HOMES, MANAGERS, NPM_PASS, &[
            "DENO_DIR", "DENO_INSTALL", "DENO_INSTALL_ROOT", "DENO_AUTH_TOKENS", "DENO_CERT", "DENO_TLS_CA_STORE",
            "DENO_NO_UPDATE_CHECK", "DENO_NO_PROMPT", "DENO_JOBS",
        ]],
        track: &[NODE_TRACK, &["DENO_V8_FLAGS", "DENO_CONDITIONS", "DENO_COMPAT"]],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["tsc"],
        pass: &[HOMES, MANAGERS, NODE_PASS],
        track: &[NODE_TRACK],
        ..PLAIN
    },
    KnownTool {
        names: &["esbuild"],
        pass: &[HOMES, MANAGERS, NODE_PASS],
        track: &[NODE_TRACK, &["ESBUILD_BINARY_PATH"]],
        ..PLAIN
    },
    KnownTool {
        names: &["cargo"],
        // `-vV` would also name the release of the operating system.
        pass: &[NETWORK, GIT, HOMES, MANAGERS, RUST_PASS, COMPILER_CACHES, &[
            "CARGO_NET_OFFLINE", "CARGO_NET_GIT_FETCH_WITH_CLI", "CARGO_NET_RETRY", "CARGO_HTTP_PROXY", "CARGO_HTTP_CAINFO",
            "CARGO_HTTP_MULTIPLEXING", "CARGO_HTTP_TIMEOUT", "CARGO_REGISTRY_TOKEN", "CARGO_REGISTRY_DEFAULT",
            "CARGO_REGISTRIES_CRATES_IO_PROTOCOL", "CARGO_BUILD_JOBS", "CARGO_BUILD_RUSTC_WRAPPER",
        ]],
        track: &[RUST_TRACK, COMPILERS, COMPILING, &[
            "RUSTFLAGS", "RUSTDOCFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS", "CARGO_INCREMENTAL",
            "CARGO_PROFILE_DEV_DEBUG", "CARGO_PROFILE_RELEASE_DEBUG", "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_PROFILE_RELEASE_OPT_LEVEL", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "CARGO_PROFILE_RELEASE_STRIP",
        ]],
        jobserver: true,
        beside: RUSTUP,
        ..PLAIN
    },
    KnownTool {
        names: &["rustc", "rustdoc"],
        version: &["-vV"],
        pass: &[NETWORK, HOMES, MANAGERS, RUST_PASS],
        track: &[RUST_TRACK, COMPILING],
        beside: RUSTUP,
        ..PLAIN
    },
    KnownTool {
        names: &["rustfmt"],
        pass: &[NETWORK, HOMES, MANAGERS, RUST_PASS],
        track: &[RUST_TRACK],
        beside: RUSTUP,
        ..PLAIN
    },
    KnownTool {
        names: &["gcc", "cc", "clang", "g++", "c++", "clang++"],
        pass: &[COMPILER_CACHES, HOMES],
        track: &[COMPILING],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["make", "gmake"],
        pass: &[COMPILER_CACHES],
        track: &[COMPILERS, COMPILING, &["GNUMAKEFLAGS", "MAKEFILES", "DESTDIR", "PREFIX"]],
        jobserver: true,
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["ninja"],
        pass: &[COMPILER_CACHES, &["NINJA_STATUS"]],
        track: &[COMPILERS, COMPILING],
        jobserver: true,
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["cmake"],
        pass: &[NETWORK, COMPILER_CACHES, HOMES, &["CMAKE_BUILD_PARALLEL_LEVEL", "NINJA_STATUS"]],
        track: &[COMPILERS, COMPILING, &[
            "CMAKE_GENERATOR", "CMAKE_GENERATOR_PLATFORM", "CMAKE_GENERATOR_TOOLSET", "CMAKE_BUILD_TYPE", "CMAKE_CONFIG_TYPE",
            "CMAKE_TOOLCHAIN_FILE", "CMAKE_PREFIX_PATH", "CMAKE_INSTALL_PREFIX", "CMAKE_MODULE_PATH", "CMAKE_INCLUDE_PATH",
            "CMAKE_LIBRARY_PATH", "CMAKE_PROGRAM_PATH", "CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER",
            "CMAKE_EXPORT_COMPILE_COMMANDS", "CUDACXX", "CUDAFLAGS", "DESTDIR",
        ]],
        jobserver: true,
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["java", "javac"],
        // The form with one dash is understood by every release; it is said on standard error.
        version: &["-version"],
        pass: &[NETWORK, MANAGERS, &["JAVA_HOME"]],
        track: &[JAVA_TRACK],
        ..PLAIN
    },
    KnownTool {
        names: &["mvn", "mvnw"],
        // Without `-q` it would also name the kernel.
        version: &["-q", "--version"],
        pass: &[NETWORK, GIT, MANAGERS, &["MAVEN_HOME", "M2_HOME", "MAVEN_USER_HOME", "MVNW_REPOURL", "MVNW_USERNAME", "MVNW_PASSWORD"]],
        track: &[JAVA_TRACK, &["JAVA_HOME", "MAVEN_OPTS", "MAVEN_ARGS", "MAVEN_CONFIG"]],
        ..PLAIN
    },
    KnownTool {
        names: &["gradle", "gradlew"],
        // Its answer would name the kernel; the script that starts it names its version.
        version: &[],
        pass: &[NETWORK, GIT, MANAGERS, &["GRADLE_HOME", "GRADLE_USER_HOME"]],
        track: &[JAVA_TRACK, &["JAVA_HOME", "GRADLE_OPTS", "JAVA_OPTS"]],
        ..PLAIN
    },
    KnownTool {
        names: &["dotnet"],
        pass: &[NETWORK, HOMES, MANAGERS, &[
            "DOTNET_ROOT", "DOTNET_CLI_HOME", "DOTNET_NOLOGO", "DOTNET_CLI_TELEMETRY_OPTOUT", "DOTNET_SKIP_FIRST_TIME_EXPERIENCE",
            "NUGET_PACKAGES", "NUGET_HTTP_CACHE_PATH", "NUGET_PLUGIN_PATHS", "VSS_NUGET_EXTERNAL_FEED_ENDPOINTS",
        ]],
        track: &[&[
            "DOTNET_ROLL_FORWARD", "DOTNET_ROLL_FORWARD_TO_PRERELEASE", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "Configuration",
            "Platform", "MSBUILDDISABLENODEREUSE", "SOURCE_DATE_EPOCH", "ASPNETCORE_ENVIRONMENT",
        ]],
        ..PLAIN
    },
    KnownTool {
        names: &["docker"],
        pass: &[NETWORK, HOMES, &[
            "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION",
            "DOCKER_AUTH_CONFIG", "BUILDKIT_PROGRESS", "BUILDX_BUILDER", "BUILDX_CONFIG", "SSH_AUTH_SOCK",
        ]],
        track: &[&["DOCKER_BUILDKIT", "DOCKER_DEFAULT_PLATFORM", "DOCKER_CONTENT_TRUST", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME",
            "COMPOSE_PROFILES", "SOURCE_DATE_EPOCH"]],
        ..PLAIN
    },
    KnownTool {
        names: &["git"],
        pass: &[NETWORK, GIT, HOMES],
        track: &[&[
            "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE",
            "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE",
        ]],
        beside: ALONE,
        ..PLAIN
    },
    KnownTool {
        names: &["tar"],
        track: &[&["TAR_OPTIONS", "GZIP", "BZIP2", "XZ_OPT", "XZ_DEFAULTS", "ZSTD_CLEVEL", "SOURCE_DATE_EPOCH"]],
        beside: ALONE,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ordered::Set;

    #[test]
    fn no_name_stands_in_two_rows() {
        let names: Vec<_> = ROWS.iter().flat_map(|row| row.names).collect();
        assert_eq!(names.iter().collect::<Set<_>>().len(), names.len());
    }

    #[test]
    fn no_variable_is_both_passed_and_tracked_by_one_tool_nor_a_part_of_the_fixed_base() {
        const OURS: [&str; 10] = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "MAKEFLAGS", "CARGO_MAKEFLAGS", "MFLAGS", "PWD"];
        for row in ROWS {
            let pass: Set<_> = row.pass.iter().copied().flatten().collect();
            for name in row.track.iter().copied().flatten().chain(pass.clone()) {
                assert!(!OURS.contains(name), "{name} of {:?}", row.names);
            }
            let both: Vec<_> = row.track.iter().copied().flatten().filter(|name| pass.contains(name)).collect();
            assert!(both.is_empty(), "{both:?} of {:?}", row.names);
        }
    }
}
