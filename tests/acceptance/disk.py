"""A full disk, in PostgreSQL's own words, from triggers: filling a real one would hurt the machine."""

from tests.acceptance.system import execute


def install(url: str) -> None:
    """Let the disk of this database become full at a word."""
    execute(url, TRIGGERS)


def fill(url: str) -> None:
    """From now on nothing that orders need can be written."""
    execute(url, "INSERT INTO disk_full VALUES (true)")


def free(url: str) -> None:
    """There is room again."""
    execute(url, "DELETE FROM disk_full")


TRIGGERS = """
CREATE TABLE disk_full (is_full boolean);
CREATE FUNCTION write_to_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM disk_full) THEN
        RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = '53100';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER write_order BEFORE INSERT OR UPDATE ON product_orders FOR EACH ROW EXECUTE FUNCTION write_to_disk();
CREATE TRIGGER write_event BEFORE INSERT ON referans.order_events FOR EACH ROW EXECUTE FUNCTION write_to_disk();
CREATE TRIGGER write_callback BEFORE INSERT OR UPDATE ON referans.callback_events
    FOR EACH ROW EXECUTE FUNCTION write_to_disk();
"""
