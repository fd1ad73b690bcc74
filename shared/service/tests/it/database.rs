use sqlx::migrate::Migrator;
use storelink_settings::{Loader, MigrateAtStart};
use storelink_test_support::database::TestDatabase;

use crate::linked::World;

static MIGRATOR: Migrator = sqlx::migrate!("../persistence/tests/migrations");

/// In a rolling update the first new process must not change the schema under the old ones.
#[tokio::test]
async fn on_postgresql_a_service_waits_for_the_administrators_migration() {
    let world = World::new().await;
    let place = TestDatabase::postgres().await.unwrap();
    let open = async |migrate_at_start| {
        let mut settings = Loader::new().load().unwrap();
        settings.database = place.settings();
        settings.database.migrate_at_start = migrate_at_start;
        let context = world.context(settings).await;
        context.database("example", &MIGRATOR).await
    };
    let refused = open(MigrateAtStart::Auto).await.err().unwrap().to_string();
    assert!(refused.contains("run `storelink migrate`"), "{refused}");
    open(MigrateAtStart::Yes).await.unwrap();
    open(MigrateAtStart::Auto).await.unwrap();
}

#[tokio::test]
async fn on_sqlite_a_service_makes_its_schema() {
    let world = World::new().await;
    let place = TestDatabase::sqlite().unwrap();
    let mut settings = Loader::new().load().unwrap();
    settings.database = place.settings();
    settings.database.migrate_at_start = MigrateAtStart::Auto;
    let context = world.context(settings).await;
    context.database("example", &MIGRATOR).await.unwrap();
}
