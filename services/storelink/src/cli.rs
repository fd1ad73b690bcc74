use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Links an ERP with many online stores.
#[derive(Debug, Parser)]
#[command(name = "storelink", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file; `storelink.toml` in this folder when it is there.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one role.
    Serve(Serve),
    /// Run every role in this process, with a broker of its own.
    Dev(Dev),
    /// Show and check the configuration.
    #[command(subcommand)]
    Config(ConfigAction),
    /// Streams and consumers of the broker.
    #[command(subcommand)]
    Streams(StreamsAction),
    /// The broker's users.
    #[command(subcommand)]
    Broker(BrokerAction),
    /// Systems outside that publish the events of a tenant to the broker.
    #[command(subcommand)]
    Publishers(PublishersAction),
    /// Keys that seal credentials.
    #[command(subcommand)]
    Keys(KeysAction),
    /// Bring the databases of all roles up to date.
    Migrate,
    /// Copy the databases of all roles, and what is nowhere else of the broker, while they run. The
    /// vault's keys are not in it.
    Backup {
        /// An empty folder, or one to be made.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Bring a backup back into an empty database and an unused broker. No store is written to
    /// afterwards until writes are let go on.
    Restore {
        /// The folder of the backup.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Tenants of this installation.
    #[command(subcommand)]
    Tenants(TenantsAction),
    /// Orders of the ledger.
    #[command(subcommand)]
    Orders(OrdersAction),
    /// Schemas and pages that are generated from the types.
    #[command(subcommand)]
    Contracts(ContractsAction),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Which role.
    pub(crate) role: RoleName,
    /// The platform that a poller reads.
    #[arg(long, required_if_eq("role", "poller"))]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    ConnectionRegistry,
    Poller,
    OrderIngest,
    ProductCatalog,
    StockPublisher,
    PricePublisher,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Folder for databases, keys and the broker's store.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub(crate) data_dir: PathBuf,
    /// Port of the broker that is started; 0 takes a free one.
    #[arg(long, default_value_t = 4222)]
    pub(crate) nats_port: u16,
    /// Start no broker: use the one of the configuration.
    #[arg(long)]
    pub(crate) no_broker: bool,
    /// Do not wait for the disk: for demonstrations and tests. A power cut may lose the last two
    /// minutes of what was acknowledged.
    #[arg(long)]
    pub(crate) fast: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print the effective configuration with secrets masked.
    Check,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StreamsAction {
    /// Create what is missing and change what differs.
    Apply,
    /// Compare the broker with the table; fails when they differ.
    Check,
    /// Print the table.
    Print,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BrokerAction {
    /// One user for each role.
    #[command(subcommand)]
    Users(UsersAction),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsersAction {
    /// Make the keys that are missing, and the file that the server includes. May be run again: keys
    /// stay, permissions become those of this program.
    Write {
        /// Folder of keys and file.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Print what each user may do.
    Print,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PublishersAction {
    /// Add one and hand over its seed, once.
    Add {
        #[command(flatten)]
        who: PublisherArguments,
        /// Write the seed into this new file instead of printing it.
        #[arg(long, value_name = "FILE")]
        seed_file: Option<PathBuf>,
    },
    /// Print tenant, name and public key of each.
    List {
        /// Folder of the broker's users.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Remove one: it is refused once the server has read the file.
    Remove(PublisherArguments),
}

#[derive(Debug, Args)]
pub(crate) struct PublisherArguments {
    /// The tenant whose events it publishes.
    #[arg(long)]
    pub(crate) tenant: String,
    /// Its name within the tenant: 1 to 40 characters of a-z, 0-9 and -.
    #[arg(long)]
    pub(crate) name: String,
    /// Folder of the broker's users, made by `storelink broker users write`.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysAction {
    /// Make the first key; changes nothing where there is one.
    Create,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantsAction {
    /// Add a tenant and print its first admin token.
    Add {
        /// 1 to 40 characters of a-z, 0-9 and -.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrdersAction {
    /// Publish order events again, after their receiver or the broker lost some. Each keeps its id,
    /// so whoever has it already sees that; the role order-ingest publishes them.
    ReEmit {
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose orders.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// All of a tenant.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// All of one connection.
    #[arg(long, value_name = "ID")]
    pub(crate) connection: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContractsAction {
    /// Write them.
    Write {
        /// The root of the repository.
        #[arg(default_value = ".")]
        root: PathBuf,
    },
    /// Compare what is there with what would be written; fails when they differ.
    Check {
        /// The root of the repository.
        #[arg(default_value = ".")]
        root: PathBuf,
    },
}
