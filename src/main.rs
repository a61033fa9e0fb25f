//! `frostline`, the command line.

fn main() -> std::process::ExitCode {
    frostline_cli::main()
}
