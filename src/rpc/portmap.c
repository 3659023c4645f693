#include "rpc/portmap.h"

enum {
    PROCEDURE_NULL = 0,
    PROCEDURE_SET = 1,
    PROCEDURE_UNSET = 2,
    PROCEDURE_GETPORT = 3,
    PROCEDURE_DUMP = 4
};

static struct portmap_entry decode_mapping(struct reader *r)
{
    struct portmap_entry entry = {.program = reader_be32(r)};

    entry.version = reader_be32(r);
    entry.protocol = reader_be32(r);
    entry.port = reader_be32(r);
    return entry;
}

/* The version does not decide: a client that gets a port learns there which versions are spoken. */
static uint32_t find_port(const struct portmap_entry *entries, size_t count,
                          const struct portmap_entry *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].program == wanted->program && entries[i].protocol == wanted->protocol)
            return entries[i].port;
    }
    return 0;
}

static void put_all(const struct portmap_entry *entries, size_t count, struct writer *w)
{
    for (size_t i = 0; i < count; i++) {
        xdr_put_bool(w, true);
        writer_be32(w, entries[i].program);
        writer_be32(w, entries[i].version);
        writer_be32(w, entries[i].protocol);
        writer_be32(w, entries[i].port);
    }
    xdr_put_bool(w, false);
}

enum rpc_accept portmap_answer(const struct portmap_entry *entries, size_t count, uint32_t procedure,
                               struct reader *arguments, struct writer *results)
{
    struct portmap_entry wanted = {0};

    if (procedure == PROCEDURE_SET || procedure == PROCEDURE_UNSET || procedure == PROCEDURE_GETPORT)
        wanted = decode_mapping(arguments);
    if (!reader_ok(arguments))
        return RPC_GARBAGE_ARGUMENTS;
    switch (procedure) {
    case PROCEDURE_NULL:
        return RPC_SUCCESS;
    case PROCEDURE_SET:
    case PROCEDURE_UNSET:
        xdr_put_bool(results, false);
        return RPC_SUCCESS;
    case PROCEDURE_GETPORT:
        writer_be32(results, find_port(entries, count, &wanted));
        return RPC_SUCCESS;
    case PROCEDURE_DUMP:
        put_all(entries, count, results);
        return RPC_SUCCESS;
    default:
        return RPC_PROCEDURE_UNAVAILABLE;
    }
}
