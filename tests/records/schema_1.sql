BEGIN TRANSACTION;
CREATE TABLE events (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	event_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	epoch TEXT, 
	rater TEXT, 
	role TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	battle TEXT, 
	pair TEXT, 
	topic TEXT, 
	tuned_side TEXT, 
	overall TEXT, 
	guess TEXT, 
	receipt_hash TEXT, 
	round INTEGER, 
	allocation_index INTEGER, 
	ordinal INTEGER, 
	UNIQUE (event_id)
);
INSERT INTO "events" VALUES(1,'00000000000000000000000000000001','consent_given','2026-11-01T00:00:00.000000+00:00',NULL,'ann','public','{"version":"1","lang":"zh"}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "events" VALUES(2,'00000000000000000000000000000002','battle_started','2026-11-01T00:00:00.000000+00:00','e','ann','public','{"battle":"b","token_hash":"h","pair":"demo","topic":"smoking","starter":null,"lang":"zh","allocation_index":0,"tuned_side":"A"}','b','demo','smoking','A',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "events" VALUES(3,'00000000000000000000000000000003','judgement','2026-11-01T00:00:00.000000+00:00','e','ann','public','{"battle":"b","overall":"A","scales":{},"reason":null,"guess":null,"confidence":null,"rounds":2,"ordinal":1,"form_version":"1","receipt_hash":"r"}','b',NULL,NULL,NULL,'A',NULL,'r',NULL,NULL,1);
CREATE UNIQUE INDEX one_epoch_opened ON events (epoch) WHERE kind = 'epoch_opened';
CREATE INDEX battles_counted ON events (epoch, battle, role, pair, topic, tuned_side, kind) WHERE kind = 'battle_started';
CREATE INDEX judgements_counted ON events (epoch, battle, rater, role, overall, guess, ordinal, kind) WHERE kind = 'judgement';
CREATE UNIQUE INDEX one_allocation ON events (epoch, allocation_index) WHERE kind = 'battle_started';
CREATE UNIQUE INDEX one_judgement ON events (battle, rater) WHERE kind = 'judgement';
CREATE UNIQUE INDEX one_withdrawn ON events (battle) WHERE kind = 'withdrawn';
CREATE INDEX events_by_rater ON events (rater, kind);
CREATE UNIQUE INDEX one_client_said ON events (battle, round) WHERE kind = 'client_said';
CREATE UNIQUE INDEX one_replied ON events (battle, round) WHERE kind = 'replied';
CREATE INDEX judgements_by_receipt ON events (receipt_hash) WHERE kind = 'judgement';
CREATE INDEX events_by_time ON events (created_at);
CREATE INDEX events_by_kind ON events (kind, epoch);
CREATE UNIQUE INDEX one_battle_started ON events (battle) WHERE kind = 'battle_started';
CREATE UNIQUE INDEX one_epoch_closed ON events (epoch) WHERE kind = 'epoch_closed';
CREATE INDEX events_by_battle ON events (battle);
CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',3);
COMMIT;
PRAGMA user_version = 1;
