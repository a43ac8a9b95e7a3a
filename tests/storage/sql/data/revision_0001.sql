BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit_events (
	position INTEGER NOT NULL, 
	writer TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	subject_id TEXT NOT NULL, 
	decision_id TEXT, 
	run_id TEXT, 
	tenant TEXT, 
	candidate_id TEXT, 
	policy TEXT, 
	at TEXT NOT NULL, 
	canonical TEXT NOT NULL, 
	leaf_hash TEXT NOT NULL, 
	chain_hash TEXT NOT NULL, 
	PRIMARY KEY (position), 
	CONSTRAINT audit_events_writer_seq UNIQUE (writer, seq), 
	CONSTRAINT audit_events_subject UNIQUE (subject_id, kind)
);
INSERT INTO "audit_events" VALUES(1,'writer_of_old',0,'writer_opened','writer_of_old',NULL,NULL,NULL,NULL,NULL,'2026-11-22T13:34:46.739346Z','{"heads":[],"id":"writer_of_old","kind":"writer_opened","opened_at":"2026-11-22T13:34:46.739346Z"}','2e9e7179331fac3e511a0a440177dbad2adbe7b214fff87a0ce44d6caa9cec55','5709a3e463b62cb83378c4872e0f49738f47bf5030de6ba3f7bd9aac6682d196');
INSERT INTO "audit_events" VALUES(2,'writer_of_old',1,'decision','decision_of_old','decision_of_old','run_11b2a10be4086ad9','default','candidate_1','linucb','2026-11-22T13:34:46.720541Z','{"account_id":"default","assessments":[{"candidate_id":"candidate_0","contributions":{"cost":0,"quality":0},"mask_reason":null,"probability":0.125,"score":0,"worst_case_usd":"0.000000000"},{"candidate_id":"candidate_1","contributions":{"cost":-0.1,"quality":0.2},"mask_reason":null,"probability":0.125,"score":0.1,"worst_case_usd":"0.000123000"}],"attempt":1,"budget_before_usd":"1.250000000","budget_reserved_usd":"0.000123000","candidate_id":"candidate_1","context":[1,-0.25,1e-9,350000000000000000000],"decided_at":"2026-11-22T13:34:46.720541Z","encoder":"hashing","id":"decision_of_old","kind":"decision","payload_digest":"449120a413bbbecc1bf3a493ae2ec6d0176b8172a5d813bced706192bef53559","payload_id":"payload_463d0961c3fab918","policy":"linucb","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"1","principal":"local","propensity":0.125,"query_id":"query_0bcee30f16a5757b","rng_counter":7,"rng_seed":"9223372036854775809","run_id":"run_11b2a10be4086ad9","step":"answer","task":"arithmetic","task_mixture":{"arithmetic":0.9,"facts":0.1},"tenant":"default"}','00912f5d2d8837fc09f69f7fadfc6077162f0dd5024391d807724c5f5ce67eb9','cd81bb6e3d090fba31ab2431da6df8ccef80025a5740d438961272272a7f77d5');
INSERT INTO "audit_events" VALUES(3,'writer_of_old',2,'outcome','outcome_24775fff0ac9b68a','decision_of_old','run_11b2a10be4086ad9',NULL,NULL,NULL,'2026-11-22T13:34:46.720612Z','{"cost_usd":"0.000033000","decision_id":"decision_of_old","error_code":null,"error_message":null,"happened_at":"2026-11-22T13:34:46.720612Z","id":"outcome_24775fff0ac9b68a","judged_by":"environment","kind":"outcome","latency_seconds":0.25,"payload_digest":"a102c7e1bb7853cd1d447608b02cdab6c5a0d6ed05a57ae86524fd821ea71b09","payload_id":"payload_dd1700584d87547d","quality":1,"run_id":"run_11b2a10be4086ad9","status":"succeeded","usage":{"cache_read":5,"cache_write":0,"input":31,"output":2}}','bb6d586aca743ab962e36a1f8491e7597be5838912ee80135f55a11ba456bef0','1f1798fae58a2a52c375722faf3b44bc44aea439424e3f8e05cc612c1b9e8ea7');
INSERT INTO "audit_events" VALUES(4,'writer_of_old',3,'reward','reward_b94ba4a14e5882d2','decision_of_old','run_11b2a10be4086ad9',NULL,NULL,NULL,'2026-11-22T13:34:46.747623Z','{"decision_id":"decision_of_old","id":"reward_b94ba4a14e5882d2","kind":"reward","outcome_id":"outcome_24775fff0ac9b68a","rewarded_at":"2026-11-22T13:34:46.747623Z","run_id":"run_11b2a10be4086ad9","value":0.75}','d2b4fd0c2be4254206cd23cf73fd55c0550120a32a326ed904cacd50d53d786e','cdf9aa97e914c7da55987362d35e943da15bbcab1ab69782ca6dead241601d1c');
INSERT INTO "audit_events" VALUES(5,'writer_of_old',4,'payload_erased','payload_463d0961c3fab918',NULL,NULL,NULL,NULL,NULL,'2026-11-22T13:34:46.756879Z','{"digest":"449120a413bbbecc1bf3a493ae2ec6d0176b8172a5d813bced706192bef53559","erased_at":"2026-11-22T13:34:46.756879Z","id":"payload_463d0961c3fab918","kind":"payload_erased"}','2d1eb40d86c1df9de5994e865c9a597d7873f447b90b78e51a733f519ab86007','9432fefee494ffa3465b73bf220d85cda3bfe88442f8230fffe75da6910bd7cb');
CREATE TABLE budget_accounts (
	id TEXT NOT NULL, 
	parent_id TEXT, 
	limit_nano BIGINT, 
	spent_nano BIGINT NOT NULL, 
	held_nano BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(parent_id) REFERENCES budget_accounts (id)
);
INSERT INTO "budget_accounts" VALUES('default',NULL,1000000000,0,0);
CREATE TABLE budget_holds (
	id TEXT NOT NULL, 
	account_id TEXT NOT NULL, 
	amount_nano BIGINT NOT NULL, 
	expires_at TEXT NOT NULL, 
	charged_nano BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES budget_accounts (id)
);
CREATE TABLE payloads (
	id TEXT NOT NULL, 
	text BLOB, 
	salt TEXT, 
	digest TEXT NOT NULL, 
	erased_at TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "payloads" VALUES('payload_463d0961c3fab918',NULL,NULL,'449120a413bbbecc1bf3a493ae2ec6d0176b8172a5d813bced706192bef53559','2026-11-22T13:34:46.756879Z');
INSERT INTO "payloads" VALUES('payload_dd1700584d87547d',X'3531','d10bc473031c4df661bc2bb2c99562f3','a102c7e1bb7853cd1d447608b02cdab6c5a0d6ed05a57ae86524fd821ea71b09',NULL);
CREATE TABLE spans (
	"row" INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	record TEXT NOT NULL, 
	PRIMARY KEY ("row"), 
	UNIQUE (id)
);
CREATE INDEX audit_events_kind ON audit_events (kind, position);
CREATE INDEX audit_events_time ON audit_events (kind, at, position);
CREATE INDEX audit_events_decision ON audit_events (decision_id, position) WHERE decision_id IS NOT NULL;
CREATE INDEX audit_events_run ON audit_events (run_id, position) WHERE run_id IS NOT NULL;
CREATE INDEX audit_events_tenant ON audit_events (tenant, position) WHERE tenant IS NOT NULL;
CREATE INDEX audit_events_tenant_candidate ON audit_events (tenant, candidate_id, position) WHERE tenant IS NOT NULL;
CREATE INDEX audit_events_tenant_policy ON audit_events (tenant, policy, position) WHERE tenant IS NOT NULL;
CREATE INDEX audit_events_candidate ON audit_events (candidate_id, position) WHERE candidate_id IS NOT NULL;
CREATE INDEX audit_events_policy ON audit_events (policy, position) WHERE policy IS NOT NULL;
CREATE INDEX spans_run ON spans (run_id, started_at);
CREATE INDEX budget_holds_open ON budget_holds (expires_at) WHERE charged_nano IS NULL;
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN SELECT RAISE(ABORT, 'audit_events refuses UPDATE: its rows are kept as they were written'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events BEGIN SELECT RAISE(ABORT, 'audit_events refuses DELETE: its rows are kept as they were written'); END;
CREATE TRIGGER spans_no_update BEFORE UPDATE ON spans BEGIN SELECT RAISE(ABORT, 'spans refuses UPDATE: its rows are kept as they were written'); END;
CREATE TRIGGER spans_no_delete BEFORE DELETE ON spans BEGIN SELECT RAISE(ABORT, 'spans refuses DELETE: its rows are kept as they were written'); END;
CREATE TRIGGER payloads_no_delete BEFORE DELETE ON payloads BEGIN SELECT RAISE(ABORT, 'payloads refuses DELETE: its rows are kept as they were written'); END;
COMMIT;
