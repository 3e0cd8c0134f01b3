//! The program: reads the command line, runs it, exits with a code of sysexits.h.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(thexr::limits::THREAD_STACK_BYTES)
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::from(71);
    };
    runtime.block_on(async {
        let mut config = thexr::config::Config::default();
        let mut args = std::env::args().skip(1);
        while let Some(a) = args.next() {
            match a.as_str() {
                "--listen" => config.listen = args.next().and_then(|v| v.parse().ok()).expect("address"),
                "--data" => config.data = args.next().expect("folder").into(),
                _ => {}
            }
        }
        let listener = tokio::net::TcpListener::bind(config.listen).await.expect("bind");
        println!("listening on http://{}", listener.local_addr().expect("address"));
        let stop = tokio_util::sync::CancellationToken::new();
        let on = stop.clone();
        tokio::spawn(async move {
            let _ = tokio::signal::ctrl_c().await;
            on.cancel();
        });
        match thexr::serve(config, listener, stop).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("thexr: {error}");
                ExitCode::from(error.exit_code())
            }
        }
    })
}
