//! Turns `client-js/app` into a table of static bytes. Node and npm do the work inside `OUT_DIR`; the source
//! tree is only read. Whatever goes wrong ends in a page that says how to build, never in a broken server.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the bundle is made of, below `client-js`. `node_modules` and old output never belong to it.
const SOURCES: [&str; 6] = [
    "src",
    "app/src",
    "app/public",
    "app/build.mjs",
    "app/package.json",
    "app/package-lock.json",
];

/// Files below this folder have a hash in their name, so a browser may keep them for ever.
const HASHED: &str = "/assets/";

fn main() {
    let crate_dir = PathBuf::from(var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out_dir = PathBuf::from(var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let client_dir = crate_dir
        .parent()
        .expect("embed lives in client-js")
        .to_path_buf();

    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=fallback");
    for name in ["THEXR_WEB_DIST", "THEXR_SKIP_WEB", "THEXR_REQUIRE_WEB", "DOCS_RS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    for source in SOURCES {
        watch(&client_dir.join(source));
    }

    let (dist, built) = match web(&client_dir, &out_dir) {
        Ok(dist) => (dist, true),
        Err(why) => {
            assert!(
                !switched_on("THEXR_REQUIRE_WEB"),
                "THEXR_REQUIRE_WEB is set and there is no web page: {why}"
            );
            println!("cargo:warning=thexr serves a placeholder instead of its web page: {why}");
            // A different PATH may have Node on it. Anything else needs `cargo clean -p thexr-embed`.
            println!("cargo:rerun-if-env-changed=PATH");
            (
                fallback(&crate_dir, &out_dir, &why).expect("OUT_DIR can be written"),
                false,
            )
        }
    };
    let table = table(&dist, built).expect("what was just built can be read");
    fs::write(out_dir.join("assets.rs"), table).expect("OUT_DIR can be written");
}

/// The folder that holds the finished page, or why there is none.
fn web(client_dir: &Path, out_dir: &Path) -> Result<PathBuf, String> {
    if let Some(dist) = var("THEXR_WEB_DIST") {
        let dist = PathBuf::from(dist);
        let dist = dist
            .canonicalize()
            .map_err(|e| format!("THEXR_WEB_DIST={}: {e}", dist.display()))?;
        watch(&dist);
        if !dist.join("index.html").is_file() {
            return Err(format!("THEXR_WEB_DIST={} has no index.html", dist.display()));
        }
        return Ok(dist);
    }
    for name in ["DOCS_RS", "THEXR_SKIP_WEB"] {
        if switched_on(name) {
            return Err(format!("{name} is set"));
        }
    }

    let work = out_dir.join("web");
    let app = work.join("app");
    if let Some(missing) = SOURCES.iter().find(|source| !client_dir.join(source).exists()) {
        return Err(format!("client-js/{missing} is missing from this checkout"));
    }
    for source in SOURCES {
        refresh(&client_dir.join(source), &work.join(source))
            .map_err(|e| format!("copying {source}: {e}"))?;
    }
    install(&app)?;

    let dist = out_dir.join("dist");
    remove(&dist).map_err(|e| format!("clearing {}: {e}", dist.display()))?;
    run(Command::new("node").arg("build.mjs").arg(&dist).current_dir(&app))?;
    Ok(dist)
}

/// Installs the app's few pinned packages, unless this very lock file is installed already.
fn install(app: &Path) -> Result<(), String> {
    let lock = fs::read(app.join("package-lock.json")).map_err(|e| format!("package-lock.json: {e}"))?;
    let installed = app.join("node_modules/.thexr-lock");
    if fs::read(&installed).is_ok_and(|old| old == lock) {
        return Ok(());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    // Short retries: a machine without network should get its placeholder in seconds, not minutes.
    run(Command::new(npm)
        .args([
            "ci",
            "--ignore-scripts",
            "--prefer-offline",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .args([
            "--fetch-retries=1",
            "--fetch-retry-mintimeout=500",
            "--fetch-timeout=30000",
        ])
        .current_dir(app))?;
    fs::write(installed, lock).map_err(|e| format!("marking the install: {e}"))
}

/// Runs a program to its end. Its last words become the error.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!("{name} is not installed (Node.js 20 or newer is needed)"),
        _ => format!("{name}: {e}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(4)
        .collect();
    Err(format!(
        "{name} failed ({}): {}",
        output.status,
        lines.join(" | ")
    ))
}

/// The page that says how to build the page.
fn fallback(crate_dir: &Path, out_dir: &Path, why: &str) -> io::Result<PathBuf> {
    let dist = out_dir.join("dist");
    remove(&dist)?;
    refresh(&crate_dir.join("fallback"), &dist)?;
    let why = why
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let page = fs::read_to_string(dist.join("index.html"))?.replace("{{why}}", &why);
    fs::write(dist.join("index.html"), page)?;
    Ok(dist)
}

/// Rust source for `ASSETS` and `BUILT`, sorted by path so that a lookup can bisect.
fn table(dist: &Path, built: bool) -> io::Result<String> {
    let mut files = Vec::new();
    list(dist, &mut files)?;
    let mut rows: Vec<(String, PathBuf)> = files
        .into_iter()
        .filter(|file| !matches!(extension(file), "gz" | "br" | "map"))
        .map(|file| {
            let below = file
                .strip_prefix(dist)
                .expect("listed below dist")
                .to_string_lossy()
                .replace('\\', "/");
            (
                if below == "index.html" {
                    "/".to_owned()
                } else {
                    format!("/{below}")
                },
                file,
            )
        })
        .collect();
    rows.sort();

    let mut code = format!(
        "/// False when the placeholder is embedded instead of the app.\npub const BUILT: bool = {built};\n\
         /// Every file of the page, sorted by path.\npub static ASSETS: &[Asset] = &[\n"
    );
    for (path, file) in rows {
        let etag = format!("\"{:016x}\"", fnv1a(&fs::read(&file)?));
        let packed = |suffix: &str| {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            match Path::new(&name).is_file() {
                true => format!("Some(include_bytes!({name:?}))"),
                false => "None".to_owned(),
            }
        };
        let _ = writeln!(
            code,
            "Asset {{ path: {path:?}, content_type: {:?}, bytes: include_bytes!({file:?}), gzip: {}, brotli: {}, \
             etag: {etag:?}, immutable: {} }},",
            content_type(&file),
            packed(".gz"),
            packed(".br"),
            built && path.starts_with(HASHED),
        );
    }
    code.push_str("];\n");
    Ok(code)
}

fn content_type(file: &Path) -> &'static str {
    match extension(file) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// An entity tag needs to differ, not to resist an attacker.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn extension(file: &Path) -> &str {
    file.extension().and_then(OsStr::to_str).unwrap_or("")
}

/// Every file below `dir`.
fn list(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?
        } else {
            files.push(path)
        }
    }
    Ok(())
}

/// Makes `to` the same as `from`, a file or a folder; what vanished in `from` vanishes in `to`.
fn refresh(from: &Path, to: &Path) -> io::Result<()> {
    remove(to)?;
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            refresh(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(to, fs::read(from)?)
}

fn remove(path: &Path) -> io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false if path.is_file() => fs::remove_file(path),
        false => Ok(()),
    }
}

/// Cargo treats a path that is not there as changed for ever, so only what exists is watched.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn switched_on(name: &str) -> bool {
    var(name).is_some_and(|value| value != "0")
}
