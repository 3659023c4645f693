#include "fake_store.h"

#include "base/text.h"

struct fake_store fake_store;

struct store_import {
    size_t room_bytes;
};

void fake_store_reset(void)
{
    free(fake_store.bytes);
    fake_store = (struct fake_store){0};
}

int store_import_begin(struct store *store, const char *name, uint64_t limit_bytes,
                       struct store_import **import, struct error *error)
{
    if (string_equal(name, fake_store.taken))
        return error_set(error, -EEXIST, "%s: exists", name);
    free(fake_store.bytes);
    fake_store.bytes = NULL;
    fake_store.length_bytes = 0;
    fake_store.begun++;
    *import = xcalloc(1, sizeof(**import));
    return 0;
}

int store_import_append(struct store_import *import, const void *bytes, size_t length_bytes)
{
    size_t end = fake_store.length_bytes + length_bytes;

    if (fake_store.fail_at_bytes && end > fake_store.fail_at_bytes)
        return fake_store.fail_with;
    if (end > import->room_bytes) {
        import->room_bytes = end * 2;
        fake_store.bytes = xrealloc(fake_store.bytes, import->room_bytes, 1);
    }
    memcpy(fake_store.bytes + fake_store.length_bytes, bytes, length_bytes);
    fake_store.length_bytes = end;
    return 0;
}

int store_import_commit(struct store_import *import, struct error *error)
{
    fake_store.committed++;
    free(import);
    return 0;
}

void store_import_abort(struct store_import *import)
{
    if (!import)
        return;
    fake_store.aborted++;
    free(import);
}
