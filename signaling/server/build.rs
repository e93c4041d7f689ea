//! The folder the web client is built into must be there when this crate is compiled, and a change in it must
//! compile the crate anew: what is embedded is decided then.

fn main() {
    const WEB_CLIENT: &str = "../../client-web/dist";
    // In a source tree that cannot be written to there is nothing to build the client into either.
    let _ = std::fs::create_dir_all(WEB_CLIENT);
    println!("cargo::rerun-if-changed={WEB_CLIENT}");
}
