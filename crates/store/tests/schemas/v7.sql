-- A database as version 7 of the schema left it.
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE "attempt" (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trial BLOB REFERENCES trial (id),
        features TEXT,
        worker INTEGER NOT NULL,
        build TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        outcome TEXT NOT NULL DEFAULT 'running'
            CHECK (outcome IN ('running', 'complete', 'failed', 'interrupted', 'cancelled')),
        failure_kind TEXT,
        failure_message TEXT,
        failure_log TEXT,
        feature_bytes INTEGER,
        feature_seconds REAL,
        feature_computed INTEGER,
        -- Images that the attempt's frozen layers took at a time because memory had run out before, NULL where it had not.
        micro_batch INTEGER CHECK (micro_batch > 0), cut INTEGER CHECK (cut >= 0), estimate REAL, estimate_without REAL,
        CHECK ((trial IS NULL) != (features IS NULL)),
        CHECK ((outcome = 'running') = (ended_at IS NULL)),
        CHECK ((outcome = 'failed') = (failure_kind IS NOT NULL)),
        CHECK ((failure_kind IS NULL) = (failure_message IS NULL)),
        CHECK ((failure_kind IS NULL) = (failure_log IS NULL))
    ) STRICT;
INSERT INTO "attempt" VALUES(1,NULL,'abababababababababababababababab',0,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000004.0,1760000005.0,'complete',NULL,NULL,NULL,4096,3.5,1,NULL,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(2,X'40C24BA7AA651EA0A691A7D83CC17040',NULL,3,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000006.0,1760000007.0,'complete',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(3,X'3E08AB067DC144AB2286A9F9CA6D26B6',NULL,3,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000008.0,1760000009.0,'interrupted',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(4,X'3E08AB067DC144AB2286A9F9CA6D26B6',NULL,3,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000010.0,1760000011.0,'complete',NULL,NULL,NULL,NULL,NULL,NULL,16,3,4.0,9.0);
INSERT INTO "attempt" VALUES(5,X'6934A38CC0E8FEDF1BA677C817392C09',NULL,3,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000012.0,1760000013.0,'failed','worker_lost','the loss is inf in epoch 1','["step 1","step 2"]',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(6,X'6934A38CC0E8FEDF1BA677C817392C09',NULL,3,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000014.0,1760000015.0,'failed','diverged','the loss is inf in epoch 1','["step 1","step 2"]',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES(7,X'86539872531B8062C3C202BEF25FBD0A',NULL,3,'{"version":"0.1.0","libtorch":"2.13.0 (cpu)","device":"cpu","threads":2,"host":"there"}',1760000016.0,NULL,'running',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE epoch (
        attempt INTEGER NOT NULL REFERENCES attempt (id),
        epoch INTEGER NOT NULL CHECK (epoch >= 1),
        train_loss REAL,
        train_accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        learning_rate REAL,
        seconds REAL,
        images_per_second REAL,
        peak_memory INTEGER NOT NULL, val_balanced_accuracy REAL, val_macro_f1 REAL, val_top5_accuracy REAL,
        PRIMARY KEY (attempt, epoch)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "epoch" VALUES(2,1,1.0,3.00000000000000044408e-01,1.0,0.5,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
INSERT INTO "epoch" VALUES(2,2,0.5,3.00000000000000044408e-01,0.75,0.625,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
INSERT INTO "epoch" VALUES(3,1,1.0,3.00000000000000044408e-01,1.0,0.5,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
INSERT INTO "epoch" VALUES(4,1,1.0,3.00000000000000044408e-01,1.0,0.5,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
INSERT INTO "epoch" VALUES(4,2,0.5,3.00000000000000044408e-01,0.5,0.75,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
INSERT INTO "epoch" VALUES(6,1,1.0,3.00000000000000044408e-01,2.0,0.25,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
INSERT INTO "epoch" VALUES(7,1,1.0,3.00000000000000044408e-01,1.0,0.5,0.001,12.5,80.0,3221225472,NULL,NULL,NULL);
CREATE TABLE group_rank (
        sweep INTEGER NOT NULL REFERENCES sweep (id),
        group_id BLOB NOT NULL,
        position INTEGER NOT NULL,
        score REAL,
        tie REAL,
        PRIMARY KEY (sweep, group_id)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "group_rank" VALUES(1,X'045ECAF0673A2308626F6C682A4D0714',0,0.6875,-0.625);
INSERT INTO "group_rank" VALUES(2,X'045ECAF0673A2308626F6C682A4D0714',0,-0.75,-0.75);
CREATE TABLE member (
        sweep INTEGER NOT NULL REFERENCES sweep (id),
        position INTEGER NOT NULL,
        trial BLOB NOT NULL REFERENCES trial (id), ranked INTEGER NOT NULL DEFAULT 0, score REAL, tie REAL, wish TEXT NOT NULL DEFAULT 'wanted'
        CHECK (wish IN ('wanted', 'paused', 'pruned', 'cancelled')),
        PRIMARY KEY (sweep, position),
        UNIQUE (trial, sweep)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "member" VALUES(1,0,X'40C24BA7AA651EA0A691A7D83CC17040',1,0.625,-0.75,'wanted');
INSERT INTO "member" VALUES(1,1,X'3E08AB067DC144AB2286A9F9CA6D26B6',1,0.75,-0.5,'wanted');
INSERT INTO "member" VALUES(1,2,X'6934A38CC0E8FEDF1BA677C817392C09',0,NULL,NULL,'wanted');
INSERT INTO "member" VALUES(1,3,X'5D4EAB36A712881D38D1BF7521212C02',0,NULL,NULL,'cancelled');
INSERT INTO "member" VALUES(1,4,X'86539872531B8062C3C202BEF25FBD0A',0,NULL,NULL,'wanted');
INSERT INTO "member" VALUES(1,5,X'578AC16D7C2F702D4B467178450925CC',0,NULL,NULL,'wanted');
INSERT INTO "member" VALUES(2,0,X'40C24BA7AA651EA0A691A7D83CC17040',1,-0.75,-0.75,'wanted');
INSERT INTO "member" VALUES(2,1,X'5D4EAB36A712881D38D1BF7521212C02',0,NULL,NULL,'cancelled');
CREATE TABLE right_images (
        trial BLOB NOT NULL PRIMARY KEY REFERENCES trial (id),
        validation_images INTEGER NOT NULL CHECK (validation_images >= 0),
        validation BLOB NOT NULL CHECK (length(validation) = (validation_images + 7) / 8),
        test_images INTEGER NOT NULL CHECK (test_images >= 0),
        test BLOB NOT NULL CHECK (length(test) = (test_images + 7) / 8)
    ) STRICT;
INSERT INTO "right_images" VALUES(X'3E08AB067DC144AB2286A9F9CA6D26B6',4,X'07',10,X'7F00');
CREATE TABLE sweep (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        objective TEXT NOT NULL,
        definition TEXT NOT NULL,
        file TEXT NOT NULL,
        program TEXT NOT NULL,
        git_commit TEXT,
        libtorch TEXT,
        device TEXT,
        host TEXT NOT NULL,
        threads INTEGER,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL
    , note TEXT) STRICT;
INSERT INTO "sweep" VALUES(1,'seeded','val_accuracy','[sweep]
name = "seeded"
','sweeps/seeded.toml','0.1.0','0123abc','2.13.0 (cpu)',NULL,'here',2,1760000000.0,1760000004.0,'try a lower rate next');
INSERT INTO "sweep" VALUES(2,'shared','val_loss','[sweep]
name = "shared"
','sweeps/shared.toml','0.1.0','0123abc','2.13.0 (cpu)',NULL,'here',2,1760000002.0,1760000003.0,NULL);
CREATE TABLE trial (
        id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
        group_id BLOB NOT NULL CHECK (length(group_id) = 16),
        spec TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'running', 'complete', 'pruned', 'failed', 'cancelled')),
        forgiven INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER,
        train_loss REAL,
        train_accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        learning_rate REAL,
        seconds REAL,
        images_per_second REAL,
        peak_memory INTEGER,
        test_loss REAL,
        test_accuracy REAL,
        class_accuracy TEXT,
        confusion TEXT,
        trained_parameters INTEGER,
        attempt_seconds REAL, validation_images INTEGER CHECK (validation_images >= 0), val_balanced_accuracy REAL, val_macro_f1 REAL, val_top5_accuracy REAL, test_balanced_accuracy REAL, test_macro_f1 REAL, test_top5_accuracy REAL,
        CHECK ((state = 'complete') = (trained_parameters IS NOT NULL)),
        CHECK (state != 'complete' OR epoch IS NOT NULL)
    ) STRICT;
INSERT INTO "trial" VALUES(X'40C24BA7AA651EA0A691A7D83CC17040',X'045ECAF0673A2308626F6C682A4D0714','{"data":{"dataset":"shapes","digest":"1","validation":{"share":0.1},"image_size":64,"augment":"none","train_limit":1000,"test_limit":null},"model":{"backbone":"efficientnet_v2_s","weights":"random"},"parameters":{"frozen_layers":0,"head_units":[256],"head_dropout":[0.3],"optimizer":"adam","learning_rate":0.001,"recipe":{"schedule":"constant","warmup_epochs":0,"momentum":0.0,"weight_decay":0.0,"label_smoothing":0.0,"clip_norm":0.0},"epochs":2,"batch_size":64,"precision":"float32"},"seed":0}','complete',0,2,0.5,3.00000000000000044408e-01,0.75,0.625,0.001,12.5,80.0,3221225472,0.625,0.7,'[0.30000000000000004,1.0]','[[3,7],[0,10]]',20177488,25.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "trial" VALUES(X'3E08AB067DC144AB2286A9F9CA6D26B6',X'045ECAF0673A2308626F6C682A4D0714','{"data":{"dataset":"shapes","digest":"1","validation":{"share":0.1},"image_size":64,"augment":"none","train_limit":1000,"test_limit":null},"model":{"backbone":"efficientnet_v2_s","weights":"random"},"parameters":{"frozen_layers":0,"head_units":[256],"head_dropout":[0.3],"optimizer":"adam","learning_rate":0.001,"recipe":{"schedule":"constant","warmup_epochs":0,"momentum":0.0,"weight_decay":0.0,"label_smoothing":0.0,"clip_norm":0.0},"epochs":2,"batch_size":64,"precision":"float32"},"seed":1}','complete',0,2,0.5,3.00000000000000044408e-01,0.5,0.75,0.001,12.5,80.0,3221225472,0.625,0.7,'[0.30000000000000004,1.0]','[[3,7],[0,10]]',20177488,25.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "trial" VALUES(X'6934A38CC0E8FEDF1BA677C817392C09',X'42862EE15629AD4C343A7AB4BCCBEB66','{"data":{"dataset":"shapes","digest":"1","validation":{"share":0.1},"image_size":64,"augment":"none","train_limit":1000,"test_limit":null},"model":{"backbone":"efficientnet_v2_s","weights":"random"},"parameters":{"frozen_layers":1,"head_units":[256],"head_dropout":[0.3],"optimizer":"adam","learning_rate":0.001,"recipe":{"schedule":"constant","warmup_epochs":0,"momentum":0.0,"weight_decay":0.0,"label_smoothing":0.0,"clip_norm":0.0},"epochs":2,"batch_size":64,"precision":"float32"},"seed":0}','failed',0,1,1.0,3.00000000000000044408e-01,2.0,0.25,0.001,12.5,80.0,3221225472,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "trial" VALUES(X'5D4EAB36A712881D38D1BF7521212C02',X'42862EE15629AD4C343A7AB4BCCBEB66','{"data":{"dataset":"shapes","digest":"1","validation":{"share":0.1},"image_size":64,"augment":"none","train_limit":1000,"test_limit":null},"model":{"backbone":"efficientnet_v2_s","weights":"random"},"parameters":{"frozen_layers":1,"head_units":[256],"head_dropout":[0.3],"optimizer":"adam","learning_rate":0.001,"recipe":{"schedule":"constant","warmup_epochs":0,"momentum":0.0,"weight_decay":0.0,"label_smoothing":0.0,"clip_norm":0.0},"epochs":2,"batch_size":64,"precision":"float32"},"seed":1}','waiting',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "trial" VALUES(X'86539872531B8062C3C202BEF25FBD0A',X'74D719D722F79FD5B00E9AD569C784A4','{"data":{"dataset":"shapes","digest":"1","validation":{"share":0.1},"image_size":64,"augment":"none","train_limit":1000,"test_limit":null},"model":{"backbone":"efficientnet_v2_s","weights":"random"},"parameters":{"frozen_layers":2,"head_units":[256],"head_dropout":[0.3],"optimizer":"adam","learning_rate":0.001,"recipe":{"schedule":"constant","warmup_epochs":0,"momentum":0.0,"weight_decay":0.0,"label_smoothing":0.0,"clip_norm":0.0},"epochs":2,"batch_size":64,"precision":"float32"},"seed":0}','running',0,1,1.0,3.00000000000000044408e-01,1.0,0.5,0.001,12.5,80.0,3221225472,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "trial" VALUES(X'578AC16D7C2F702D4B467178450925CC',X'74D719D722F79FD5B00E9AD569C784A4','{"data":{"dataset":"shapes","digest":"1","validation":{"share":0.1},"image_size":64,"augment":"none","train_limit":1000,"test_limit":null},"model":{"backbone":"efficientnet_v2_s","weights":"random"},"parameters":{"frozen_layers":2,"head_units":[256],"head_dropout":[0.3],"optimizer":"adam","learning_rate":0.001,"recipe":{"schedule":"constant","warmup_epochs":0,"momentum":0.0,"weight_decay":0.0,"label_smoothing":0.0,"clip_norm":0.0},"epochs":2,"batch_size":64,"precision":"float32"},"seed":1}','waiting',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX member_rank ON member (sweep, score DESC, tie DESC, position, ranked) WHERE ranked;
CREATE INDEX trial_of_group ON trial (group_id);
CREATE INDEX best_group ON group_rank (sweep, score DESC, tie DESC, position);
CREATE INDEX attempt_of_trial ON attempt (trial, outcome);
CREATE UNIQUE INDEX accepted_attempt ON attempt (trial) WHERE outcome = 'complete';
CREATE UNIQUE INDEX running_attempt ON attempt (trial) WHERE outcome = 'running';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('attempt',7);
PRAGMA application_id = 1718776692;
PRAGMA user_version = 7;
COMMIT;
