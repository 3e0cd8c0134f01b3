//! Builds `shim.c` and says how to start a program under it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The shared object, built at first use.
///
/// # Panics
/// When there is no C compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("durability/shim.c");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"]).arg(&target).arg(source);
        let built = command.output().unwrap_or_else(|error| {
            let compiler = compiler.display();
            panic!("{compiler}: {error}; the power-cut tests need a C compiler (Debian: apt install gcc libc6-dev, or set CC)")
        });
        assert!(built.status.success(), "shim.c does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
        target
    })
}

/// The environment of a program whose changes below `root` are written to `log`.
pub fn env(root: &Path, log: &Path) -> Vec<(&'static str, OsString)> {
    vec![
        ("LD_PRELOAD", library().into()),
        ("THEXR_SHIM_ROOT", root.into()),
        ("THEXR_SHIM_LOG", log.into()),
    ]
}

/// The same for a program that is killed just before its `n`-th change.
pub fn killing(root: &Path, log: &Path, n: u64) -> Vec<(&'static str, OsString)> {
    let mut env = env(root, log);
    env.push(("THEXR_SHIM_KILL_AT", n.to_string().into()));
    env
}
