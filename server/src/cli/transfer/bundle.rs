//! `thexr export --bundle` and `thexr import --bundle`: a space with all that is kept of it.

use super::super::tool;
use super::super::{Failure, exit};
use super::{Export, Import, partial};
use crate::space::bundle::{self, BadBundle, Wish};
use crate::store::StoreError;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use thexr_schema::ids::SpaceId;

/// Writes a bundle, as it is read.
pub(super) async fn export(args: &Export, id: &SpaceId) -> Result<(), Failure> {
    let store = args
        .place
        .open("use GET /api/v1/admin/spaces/{id}/bundle, or stop the server first")
        .await?;
    let to_stdout = args.output == Path::new("-");
    let code = if to_stdout { exit::IO } else { exit::CANNOT_CREATE };
    let on_file = |error: std::io::Error| {
        Failure::new(code, format!("cannot write {}: {error}", args.output.display()))
    };
    let on_space = |error| tool::trouble(id.as_ref(), error);
    let mut space = bundle::Export::open(&store, id).await.map_err(on_space)?;
    // Beside the file and renamed at the end, so that a half-written one never has its name.
    let beside = partial(&args.output);
    let mut out: Box<dyn Write + Send> = if to_stdout {
        Box::new(std::io::stdout())
    } else {
        Box::new(File::create(&beside).map_err(on_file)?)
    };
    let mut size = 0;
    let written = loop {
        match space.next().await.map_err(on_space) {
            Ok(None) => break out.flush().map_err(on_file),
            Ok(Some(bytes)) => {
                size += bytes.len();
                if let Err(error) = out.write_all(&bytes) {
                    break Err(on_file(error));
                }
            }
            Err(failure) => break Err(failure),
        }
    };
    drop(out);
    let done = match written {
        Ok(()) if to_stdout => Ok(()),
        Ok(()) => File::open(&beside)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&beside, &args.output))
            .map_err(on_file),
        Err(failure) => Err(failure),
    };
    if done.is_err() && !to_stdout {
        let _ = std::fs::remove_file(&beside);
    }
    done?;
    let row = space.row();
    let (seq, oldest) = (row.seq, row.base_seq);
    let summary = json!({"space": id, "seq": seq, "oldest_seq": oldest, "epoch": row.epoch, "bytes": size});
    drop(space);
    store.close().await;
    let said = if args.json {
        format!("{summary}\n")
    } else {
        format!(
            "{id}: everything from seq {oldest} to {seq}, {}\n",
            tool::human(size)
        )
    };
    if to_stdout {
        // stdout is the bundle.
        let _ = std::io::stderr().write_all(said.as_bytes());
        Ok(())
    } else {
        tool::print(&said)
    }
}

/// Makes a space of a bundle.
pub(super) async fn import(args: &Import, file: &Path) -> Result<(), Failure> {
    let id = args.name.as_deref().map(tool::space_id).transpose()?;
    let shown = file.display();
    let from: Box<dyn Read + Send> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(
            opened.map_err(|error| Failure::new(exit::NO_INPUT, format!("cannot read {shown}: {error}")))?,
        )
    };
    let wish = Wish {
        id,
        replace: args.replace,
    };
    let on_bundle = |error| match error {
        BadBundle::Store(StoreError::Exists) => Failure::new(
            exit::CANNOT_CREATE,
            "a space of this name exists: --as gives another name, --replace takes its place",
        ),
        BadBundle::Store(error) => tool::store_failed(error),
        BadBundle::Io(_) => Failure::new(exit::IO, format!("{shown}: {error}")),
        bad => Failure::new(exit::DATA, format!("{shown}: {bad}; no space was changed")),
    };
    let begun = bundle::Import::open(BufReader::new(from), &wish).map_err(on_bundle)?;
    let store = args.place.open_or_make("stop the server first").await?;
    let made = Box::pin(begun.run(&store)).await.map_err(on_bundle)?;
    store.close().await;
    let (row, entities) = (&made.row, made.entities);
    if args.json {
        return tool::print_json(&json!({
            "space": row.slug, "seq": row.seq, "oldest_seq": row.base_seq, "epoch": row.epoch, "was": made.was,
            "entities": entities, "left": made.left, "webhooks": made.webhooks,
        }));
    }
    let webhooks = match made.webhooks {
        0 => String::new(),
        1 => ", 1 webhook goes on".into(),
        n => format!(", {n} webhooks go on"),
    };
    tool::print(&format!(
        "{}: {entities} entities, seq {} to {}, epoch {} (was {}){webhooks}\n",
        row.slug, row.base_seq, row.seq, row.epoch, made.was
    ))
}
