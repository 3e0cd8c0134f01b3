//! Files, variables and flags laid over each other, and what is refused.

use super::*;
use crate::config::CompactionConfig;
use std::net::SocketAddr;
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn file(text: &str) -> Result<Settings, toml::de::Error> {
    toml::from_str(text)
}

fn refused(settings: &Settings) -> String {
    let BadConfig(line) = settings.check(None).expect_err("is refused");
    assert!(!line.contains('\n'), "{line:?} is one line");
    line
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let flags = Settings {
        listen: Some("127.0.0.1:1".into()),
        ..Settings::default()
    };
    let under = file("listen = '127.0.0.1:2'\nidle = '5s'\ncompact_bytes = 1000").expect("parses");
    let config = flags.over(under).check(None).expect("good");
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.idle, Duration::from_secs(5));
    assert_eq!(config.compaction.bytes, 1000);
    assert_eq!(config.compaction.updates, CompactionConfig::default().updates);
}

#[test]
fn every_key_of_the_file_reaches_the_config() {
    let text = format!(
        "listen = 'localhost:9'\ndata = '/tmp/x-{}'\nadmin_token = '{TOKEN}'\ncompact_updates = 1\n\
         compact_bytes = '2KiB'\ncompact_min_gap = '3ms'\ncompact_interval = 4\nidle = '5m'\n\
         history_days = 30\nhistory_bytes = '1GiB'\n\
         pose_track_hz = 20\ndoc_bytes_max = '6MiB'\nconnections_max = 7\nmessages_per_second = 8\nbytes_per_second = '9kB'\n\
         origin = ['https://a.example']\nlog = 'debug'\nlog_format = 'json'",
        std::process::id()
    );
    let settings = file(&text).expect("parses");
    assert_eq!(settings.log.as_deref(), Some("debug"));
    assert_eq!(settings.log_format, Some(LogFormat::Json));
    let config = Settings::default().over(settings).check(None).expect("good");
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 9)));
    assert!(config.data.starts_with("/tmp"));
    assert!(config.admin_token.expect("set").matches(TOKEN));
    assert_eq!((config.compaction.updates, config.compaction.bytes), (1, 2048));
    assert_eq!(config.compaction.min_gap, Duration::from_millis(3));
    assert_eq!(config.compaction.interval, Duration::from_secs(4));
    assert_eq!(config.idle, Duration::from_secs(300));
    assert_eq!(config.pose_track_hz, 20);
    assert_eq!((config.history.days, config.history.bytes), (30, 1 << 30));
    assert_eq!((config.doc_bytes_max, config.connections_max), (6 << 20, 7));
    assert_eq!(
        (config.message_rate.per_second, config.message_rate.burst),
        (8.0, 32.0)
    );
    assert_eq!(config.byte_rate.per_second, 9000.0);
    assert_eq!(config.origins, ["https://a.example"]);
}

/// Corpus 109: a secret of 8 bytes.
#[test]
fn a_short_admin_token_is_refused() {
    let settings = Settings {
        admin_token: Some(Secret::new("12345678")),
        ..Settings::default()
    };
    let line = refused(&settings);
    assert!(line.contains("8 bytes") && !line.contains("12345678"), "{line}");
    for bad in [
        "",
        "with space 0123456789abcdef0123456789",
        "ümläut-0123456789abcdef0123456789ab",
    ] {
        refused(&Settings {
            admin_token: Some(Secret::new(bad)),
            ..Settings::default()
        });
    }
}

/// Corpus 110: an address that others reach, without a key.
#[test]
fn an_open_address_without_a_key_is_refused_unless_that_is_understood() {
    for listen in ["0.0.0.0:4000", "[::]:4000", "192.168.1.7:4000"] {
        let mut settings = Settings {
            listen: Some(listen.into()),
            ..Settings::default()
        };
        assert!(refused(&settings).contains("THEXR_ADMIN_TOKEN"));
        for almost in ["", "1", "true", "I-understand"] {
            assert!(settings.check(Some(almost)).is_err(), "{almost:?}");
        }
        let open = settings.check(Some("i-understand")).expect("understood");
        assert!(open.admin_token.is_none());
        settings.admin_token = Some(Secret::new(TOKEN));
        assert!(settings.check(None).is_ok());
    }
}

/// Corpus 111: a limit of 0.
#[test]
fn no_limit_can_be_zero_or_absurd() {
    for key in [
        "compact_updates",
        "compact_bytes",
        "compact_min_gap",
        "compact_interval",
        "idle",
        "doc_bytes_max",
        "connections_max",
        "messages_per_second",
        "bytes_per_second",
    ] {
        let line = refused(&file(&format!("{key} = 0")).expect("parses"));
        assert!(line.starts_with(&key.replace('_', "-")), "{line}");
    }
    for text in [
        "connections_max = 1000001",
        "doc_bytes_max = '3GiB'",
        "compact_updates = 9223372036854775808",
    ] {
        if let Ok(settings) = file(text) {
            refused(&settings);
        }
    }
}

/// Corpus 112: an unknown key, and values of the wrong kind.
#[test]
fn the_file_is_taken_at_its_word() {
    for text in [
        "lisen = '127.0.0.1:1'",
        "[server]\nlisten = '127.0.0.1:1'",
        "idle = -1",
        "idle = 1.5",
        "compact_bytes = 'lots'",
        "origin = 'https://one.example'",
        "log_format = 'xml'",
        "idle = '1s'\nidle = '2s'",
        "listen = ",
    ] {
        assert!(file(text).is_err(), "{text}");
    }
}

#[test]
fn a_bad_file_is_named_by_line_without_quoting_it() {
    let path = std::env::temp_dir().join(format!("thexr-settings-{}.toml", std::process::id()));
    std::fs::write(&path, "idle = '1s'\nadmin_token = 'hush-hush' nonsense\n").expect("writes");
    let BadConfig(line) = Settings::read(&path).expect_err("is refused");
    assert!(
        line.contains(".toml:2:") && !line.contains("hush") && !line.contains('\n'),
        "{line}"
    );
    std::fs::remove_file(&path).expect("removes");
    let BadConfig(line) = Settings::read(&path).expect_err("is missing");
    assert!(line.contains("cannot read") && !line.contains('\n'), "{line}");
}

/// Corpus 113: a folder where the database should be, a file where the folder should be.
#[test]
fn a_data_path_of_the_wrong_kind_is_refused() {
    let folder = std::env::temp_dir().join(format!("thexr-data-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("thexr.db")).expect("makes");
    std::fs::write(folder.join("file"), "").expect("writes");
    for (data, says) in [
        (folder.clone(), "database"),
        (folder.join("file"), "not a folder"),
    ] {
        let line = refused(&Settings {
            data: Some(data),
            ..Settings::default()
        });
        assert!(line.contains(says), "{line}");
    }
    std::fs::remove_dir_all(&folder).expect("removes");
}

#[test]
fn a_token_from_above_replaces_a_token_file_from_below() {
    let flags = Settings {
        admin_token: Some(Secret::new(TOKEN)),
        ..Settings::default()
    };
    let merged = flags.over(file("admin_token_file = '/nowhere'").expect("parses"));
    assert!(merged.check(None).is_ok());
    let both = Settings {
        admin_token_file: Some("/nowhere".into()),
        ..merged
    };
    assert!(refused(&both).contains("both"));
}

#[test]
fn addresses_and_origins_are_whole() {
    for listen in [
        "",
        "4000",
        ":4000",
        "localhost",
        "example.com:80",
        "127.0.0.1:70000",
        "::1:80x",
    ] {
        refused(&Settings {
            listen: Some(listen.into()),
            ..Settings::default()
        });
    }
    for origin in [
        "*",
        "null",
        "example.com",
        "https://",
        "https://a.example/",
        "https://A.example",
        "ftp://a",
    ] {
        refused(&Settings {
            origin: Some(vec![origin.into()]),
            ..Settings::default()
        });
    }
}

#[test]
fn settings_print_without_their_secret() {
    let settings = Settings {
        admin_token: Some(Secret::new(TOKEN)),
        ..Settings::default()
    };
    let config = settings.check(None).expect("good");
    assert!(!format!("{settings:?} {config:?}").contains(TOKEN));
}

#[test]
fn the_pose_track_may_be_off_and_is_no_denser_than_the_poses() {
    let hz = |n| {
        Settings {
            pose_track_hz: Some(n),
            ..Settings::default()
        }
        .check(None)
        .map(|config| config.pose_track_hz)
    };
    assert_eq!((hz(0), hz(20)), (Ok(0), Ok(20)));
    assert!(hz(21).is_err());
}
