//! Settings that are one of several words, or a list.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sections::{MigrateAtStart, OutboundPorts};

#[derive(Deserialize)]
#[serde(untagged)]
enum YesNoOrWord {
    YesNo(bool),
    Word(String),
}

impl<'de> Deserialize<'de> for MigrateAtStart {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected \"auto\", \"true\" or \"false\"");
        match YesNoOrWord::deserialize(from).map_err(|_| wrong())? {
            YesNoOrWord::YesNo(true) => Ok(Self::Yes),
            YesNoOrWord::YesNo(false) => Ok(Self::No),
            YesNoOrWord::Word(word) => match word.as_str() {
                "auto" => Ok(Self::Auto),
                "true" => Ok(Self::Yes),
                "false" => Ok(Self::No),
                _ => Err(wrong()),
            },
        }
    }
}

impl Serialize for MigrateAtStart {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            Self::Auto => "auto",
            Self::Yes => "true",
            Self::No => "false",
        })
    }
}

const ANY: &str = "any";

#[derive(Deserialize)]
#[serde(untagged)]
enum PortOrWord {
    Port(u16),
    Word(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(PortOrWord),
    More(Vec<PortOrWord>),
}

impl<'de> Deserialize<'de> for OutboundPorts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected \"any\" or ports such as [80, 443]");
        let given = match OneOrMore::deserialize(from).map_err(|_| wrong())? {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        };
        // A list in the environment is a list of texts.
        let texts = given.iter().map(|item| match item {
            PortOrWord::Port(port) => port.to_string(),
            PortOrWord::Word(word) => word.clone(),
        });
        let texts: Vec<String> = texts.collect();
        if texts == [ANY] {
            return Ok(Self::Any);
        }
        let ports = texts.iter().map(|text| text.parse::<u16>().ok());
        let ports: Option<BTreeSet<u16>> =
            ports.map(|port| port.filter(|port| *port > 0)).collect();
        match ports {
            Some(ports) if !ports.is_empty() => Ok(Self::Only(ports)),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for OutboundPorts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => to.serialize_str(ANY),
            Self::Only(ports) => ports.serialize(to),
        }
    }
}
