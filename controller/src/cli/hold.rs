//! `sanaga hold` and `sanaga unhold`: stop updates, let them go on.

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::NodeName;

use super::session::Session;
use super::ui::Ui;
use crate::ops::SetHold;

/// Whom it is about
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// The node, or `all`
    #[arg(value_name = "NODE|all")]
    node: String,
}

/// Gives the order.
pub async fn run(ui: &mut Ui, session: &Session, args: HoldArgs, on: bool) -> Result<(), Failure> {
    let node: Option<NodeName> = match args.node.as_str() {
        "all" => None,
        name => Some(name.parse().map_err(bad_name)?),
    };
    let given = session.call(SetHold { node, on }).await?;
    ui.json(&given, None)?;
    let number = given.number.to_string();
    let words = [("scope", args.node.as_str()), ("number", number.as_str())];
    let message = match (given.on, given.changed) {
        (true, true) => "hold-on",
        (true, false) => "hold-was-on",
        (false, true) => "hold-off",
        (false, false) => "hold-was-off",
    };
    ui.data(&ui.say(message, &words));
    if given.on {
        ui.next(&format!("sanaga unhold {}", args.node));
    } else {
        ui.next("sanaga node ls");
    }
    Ok(())
}

/// A name that does not have its form.
pub fn bad_name(bad: sanaga_proto::ids::BadId) -> Failure {
    Failure::new(code::BAD_NAME)
        .arg("what", bad.what)
        .arg("value", bad.value)
        .arg("rule", bad.rule)
}
