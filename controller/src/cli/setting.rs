//! `sanaga set` and `sanaga unset`: settings by environment, site and node.

use clap::Args;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, NodeName, SettingName};

use super::session::Session;
use super::ui::Ui;
use crate::ops::{Selector, SetSetting};

/// Give a setting a value for some nodes
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The app
    app: AppName,
    /// The setting and its value
    #[arg(value_name = "NAME=VALUE", value_parser = name_and_value)]
    value: (SettingName, String),
    /// node=NAME, site=NAME or env=NAME
    #[arg(long)]
    to: Selector,
    /// Only say which nodes would change
    #[arg(long)]
    dry_run: bool,
}

/// Take a setting's value away again
#[derive(Debug, Args)]
pub struct UnsetArgs {
    /// The app
    app: AppName,
    /// The setting
    name: SettingName,
    /// node=NAME, site=NAME or env=NAME
    #[arg(long)]
    to: Selector,
    /// Only say which nodes would change
    #[arg(long)]
    dry_run: bool,
}

fn name_and_value(text: &str) -> Result<(SettingName, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "must be written NAME=VALUE".to_owned())?;
    let name = name
        .parse()
        .map_err(|bad: sanaga_proto::ids::BadId| bad.to_string())?;
    Ok((name, value.to_owned()))
}

/// Sets a value.
pub async fn set(ui: &mut Ui, session: &Session, args: SetArgs) -> Result<(), Failure> {
    let (name, value) = args.value;
    let order = SetSetting {
        app: args.app,
        name,
        value: Some(value),
        to: args.to,
        dry_run: args.dry_run,
    };
    change(ui, session, order).await
}

/// Takes a value away.
pub async fn unset(ui: &mut Ui, session: &Session, args: UnsetArgs) -> Result<(), Failure> {
    let order = SetSetting {
        app: args.app,
        name: args.name,
        value: None,
        to: args.to,
        dry_run: args.dry_run,
    };
    change(ui, session, order).await
}

async fn change(ui: &Ui, session: &Session, order: SetSetting) -> Result<(), Failure> {
    let done = session.call(order.clone()).await?;
    ui.json(&done, None)?;
    let names: Vec<&str> = done.nodes.iter().map(NodeName::as_str).collect();
    let count = done.nodes.len().to_string();
    let value = order.value.as_deref().unwrap_or("–");
    let to = order.to.to_string();
    let words = [
        ("app", order.app.as_str()),
        ("name", order.name.as_str()),
        ("value", value),
        ("to", to.as_str()),
    ];
    let message = match (order.dry_run, order.value.is_some()) {
        (true, _) => "setting-dry",
        (false, true) => "setting-set",
        (false, false) => "setting-unset",
    };
    ui.data(&ui.say(message, &words));
    let nodes = if names.is_empty() {
        "setting-nobody"
    } else {
        "setting-nodes"
    };
    ui.data(&ui.say(nodes, &[("count", &count), ("names", &names.join(", "))]));
    if let (Some(first), false) = (names.first(), order.dry_run) {
        ui.next(&format!("sanaga node show {first} --watch"));
    }
    Ok(())
}
