//! `thexr webhook`: tries an endpoint from this machine, as the server will speak to it. Needs no server and no data.

use super::{Failure, exit, tool};
use crate::config::Secret;
use crate::limits;
use crate::webhook::{self, post};

const HELP: &str = "\
Sends one signed ping and says in one line what came back. Nothing is stored, and no server needs to run.

The endpoint gets a POST with {\"webhook\": null, \"delivery\": \"…\", \"ping\": true} and these headers:
  Thexr-Signature: t=<seconds since 1970>,v1=<hex HMAC-SHA256 of \"<t>.<body>\", the secret is the key>
  Thexr-Delivery:  an id, the same on every attempt
  Thexr-Attempt:   1
It takes a delivery by answering 2xx. Redirects are not followed.

To be told what happens, make a webhook; its answer shows the secret, this once:
  curl -H \"Authorization: Bearer $THEXR_ADMIN_TOKEN\" -H 'Content-Type: application/json' \\
    -d '{\"url\": \"https://example.com/hook\"}' http://localhost:4000/api/v1/admin/webhooks

Ends with 0 when the endpoint took it, with 69 when it did not or did not answer, with 64 when the URL is none or
the secret too short or too long.

Examples:
  thexr webhook test http://localhost:9000/hook
  THEXR_WEBHOOK_SECRET=\"$(cat secret)\" thexr webhook test https://example.com/hook
";

/// Flags of `thexr webhook`.
#[derive(Debug, clap::Args)]
pub(super) struct Webhook {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Send one signed ping to an endpoint and say what came back
    Test(Test),
}

/// Flags of `thexr webhook test`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{HELP}\n{}", super::EXIT_CODES))]
struct Test {
    /// The endpoint: http:// or https://
    url: String,
    /// What to sign with, 16 to 256 bytes; in the variable it is not in the list of processes. Without it one is made up
    /// and shown
    #[arg(
        long,
        value_name = "SECRET",
        env = "THEXR_WEBHOOK_SECRET",
        hide_env_values = true
    )]
    secret: Option<String>,
}

/// Sends the ping.
pub(super) async fn run(args: Webhook) -> Result<(), Failure> {
    let What::Test(Test { url, secret }) = args.what;
    super::logs::tools()?;
    post::endpoint(&url).map_err(|error| Failure::new(exit::USAGE, error.to_string()))?;
    let (secret, made_up) = match secret {
        Some(secret) => (Secret::new(secret), String::new()),
        None => {
            let secret = Secret::random();
            let made_up = format!(". The secret was made up: {}", secret.expose());
            (secret, made_up)
        }
    };
    let len = secret.expose().len();
    if !(limits::WEBHOOK_SECRET_BYTES_MIN..=limits::WEBHOOK_SECRET_BYTES_MAX).contains(&len) {
        return Err(Failure::new(
            exit::USAGE,
            "the secret of a webhook is 16 to 256 bytes",
        ));
    }
    let poster = post::Poster::new(limits::WEBHOOK_ANSWER);
    let pinged = webhook::ping(&poster, None, &url, &secret).await;
    let said = match (pinged.status, pinged.error) {
        (Some(status), _) if pinged.taken => format!("taken: {status} after {} ms", pinged.took_ms),
        (Some(status), _) => format!("{status} after {} ms, and only 2xx takes it", pinged.took_ms),
        (None, error) => format!("no answer: {}", error.unwrap_or_default()),
    };
    if !pinged.taken {
        return Err(Failure::new(exit::UNAVAILABLE, format!("{said}{made_up}")));
    }
    tool::print(&format!("{said}{made_up}\n"))
}
