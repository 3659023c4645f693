#include "api/store_names.h"

#include "api/api.h"
#include "base/log.h"

#include <stdio.h>

void store_name_new(char to[STORE_VOLUME_NAME_SIZE], const char *kind)
{
    uint64_t number;

    random_bytes(&number, sizeof(number));
    snprintf(to, STORE_VOLUME_NAME_SIZE, "%s%016llx", kind, (unsigned long long)number);
}

/* What a crash left between a change of the store and the change of the catalog. */
void api_sweep(struct catalog *catalog, struct store *store)
{
    CLEANUP_FREE struct pending_volume *pending = NULL;
    size_t count = 0;

    if (catalog_pending_list(catalog, &pending, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        struct error error = {0};
        int r = store_volume_delete(store, pending[i].name, &error);
        if (r == 0)
            log_info("store: removed %s, left by an interrupted change", pending[i].name);
        if (r == 0 || r == -ENOENT)
            catalog_pending_drop(catalog, pending[i].name);
        else
            log_warning("store: cannot remove %s, which belongs to nothing: %s", pending[i].name, error.text);
    }
}
