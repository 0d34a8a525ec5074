//! Where the programs under test are.

use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// The program `name` (`neverblink` or `neverblink-bench`) of the same profile as this test,
/// brought up to date first.
///
/// `NEVERBLINK_BIN` names another `neverblink` to test, for example a released one.
///
/// # Errors
/// If it does not build.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(other) = std::env::var_os("NEVERBLINK_BIN").filter(|_| name == "neverblink") {
        return Ok(other.into());
    }
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    let directory = built.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(directory.join(name))
}

/// Cargo builds binaries for integration tests of their own package only, so ask it: a stale server
/// would be tested in silence.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let directory =
        test.parent().and_then(Path::parent).context("no target directory above the test")?;
    let release = directory.ends_with("release");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).args([
        "build",
        "--quiet",
        "--package",
        "neverblink",
        "--package",
        "neverblink-bench",
    ]);
    cargo.args(release.then_some("--release"));
    // Neither what the test was told nor what libtest was (`x`) may change how the server is built.
    cargo.env_remove("NEVERBLINK_BIN").env_remove("RUSTC_BOOTSTRAP");
    let output = cargo.output().context("cargo cannot be started")?;
    ensure!(
        output.status.success(),
        "the server does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(directory.into())
}
