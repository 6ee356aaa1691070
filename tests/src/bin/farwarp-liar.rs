//! A worker that tells one lie; see `farwarp_tests::liar`.

fn main() -> anyhow::Result<()> {
    farwarp_server::worker::main_over(farwarp_tests::liar::LyingLink::over)
}
