//! Whom an order is for: `node=akwa-1`, `site=douala-akwa` or `env=dev`.

use std::fmt;
use std::str::FromStr;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{BadId, EnvironmentName, NodeName, SiteName};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::names;
use crate::fleet::{Node, Scope};

/// Some nodes, by one of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// One node.
    Node(NodeName),
    /// The nodes of a site.
    Site(SiteName),
    /// The nodes of an environment.
    Environment(EnvironmentName),
}

impl FromStr for Selector {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        match text.split_once('=') {
            Some(("node", name)) => name.parse().map(Self::Node),
            Some(("site", name)) => name.parse().map(Self::Site),
            Some(("env", name)) => name.parse().map(Self::Environment),
            Some(_) | None => Err(BadId {
                what: "selector",
                value: text.chars().take(80).collect(),
                rule: "must be written node=NAME, site=NAME or env=NAME",
            }),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node={name}"),
            Self::Site(name) => write!(f, "site={name}"),
            Self::Environment(name) => write!(f, "env={name}"),
        }
    }
}

impl Selector {
    /// The scope of settings with the same name.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Node(name) => Scope::Node(name.clone()),
            Self::Site(name) => Scope::Site(name.clone()),
            Self::Environment(name) => Scope::Environment(name.clone()),
        }
    }

    /// The nodes that it names, whose keys are good. It may be nobody, but its name must exist.
    pub(super) async fn nodes(&self, context: &Context) -> Result<Vec<Node>, Failure> {
        let all = context.store.nodes().await.map_err(Failure::of)?;
        let good = |node: &Node| node.revoked_at_s.is_none();
        match self {
            Self::Node(name) => {
                let node = context.node(name).await?;
                if !good(&node) {
                    return Err(Failure::new(code::NODE_REFUSED).arg("node", name));
                }
                Ok(vec![node])
            }
            Self::Site(name) => {
                let sites = context.store.sites().await.map_err(Failure::of)?;
                names::find(&sites, name.as_str(), |site| site.name.as_str()).map_err(|near| {
                    Failure::new(code::NO_SUCH_SITE)
                        .arg("site", name)
                        .arg("near", near)
                })?;
                Ok(all
                    .into_iter()
                    .filter(|node| node.site == *name && good(node))
                    .collect())
            }
            Self::Environment(name) => {
                context.environment(name).await?;
                let inside = |node: &Node| node.environment == *name && good(node);
                Ok(all.into_iter().filter(inside).collect())
            }
        }
    }

    /// As [`Selector::nodes`], but nobody is a failure.
    pub(super) async fn some_nodes(&self, context: &Context) -> Result<Vec<Node>, Failure> {
        let nodes = self.nodes(context).await?;
        if nodes.is_empty() {
            return Err(Failure::new(code::NOBODY).arg("selector", self));
        }
        Ok(nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_written_as_they_are_read() {
        for text in ["node=akwa-1", "site=douala-akwa", "env=dev"] {
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
        for text in ["akwa-1", "node=", "shop=1", "env=Dev", ""] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
