-- `INSERT OR REPLACE` deletes the row in its way without telling the trigger that refuses deletions.

CREATE TRIGGER audit_added BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id OR previous = NEW.previous OR seal = NEW.seal)
BEGIN
    SELECT RAISE(ABORT, 'the audit log cannot be changed');
END;
