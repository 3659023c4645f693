#include "nfs/replies.h"

#include <pthread.h>

struct kept {
    struct reply_key key;
    uint64_t time_ms;
    bool used;
    bool busy;
    uint8_t *reply;
    size_t length_bytes;
};

struct replies {
    pthread_mutex_t lock; /* guards all below */
    struct kept kept[REPLIES_MAX];
    unsigned next;
};

struct replies *replies_new(void)
{
    struct replies *replies = xcalloc(1, sizeof(*replies));

    pthread_mutex_init(&replies->lock, NULL);
    return replies;
}

void replies_free(struct replies *replies)
{
    if (!replies)
        return;
    for (size_t i = 0; i < REPLIES_MAX; i++)
        free(replies->kept[i].reply);
    pthread_mutex_destroy(&replies->lock);
    free(replies);
}

static bool key_equal(const struct reply_key *a, const struct reply_key *b)
{
    return a->xid == b->xid && a->address == b->address && a->port == b->port &&
           a->fingerprint == b->fingerprint;
}

static struct kept *find(struct replies *replies, const struct reply_key *key)
{
    for (size_t i = 0; i < REPLIES_MAX; i++) {
        if (replies->kept[i].used && key_equal(&replies->kept[i].key, key))
            return &replies->kept[i];
    }
    return NULL;
}

static void add(struct replies *replies, const struct reply_key *key, uint64_t now_ms)
{
    struct kept *kept = &replies->kept[replies->next++ % REPLIES_MAX];

    free(kept->reply);
    *kept = (struct kept){.key = *key, .time_ms = now_ms, .used = true, .busy = true};
}

enum reply_outcome replies_begin(struct replies *replies, const struct reply_key *key, uint64_t now_ms,
                                 uint8_t *to, size_t *length_bytes)
{
    enum reply_outcome outcome = REPLY_NEW;

    pthread_mutex_lock(&replies->lock);
    struct kept *kept = find(replies, key);
    if (kept && now_ms > kept->time_ms + REPLY_AGE_MAX_MS) {
        kept->used = false;
        kept = NULL;
    }
    if (!kept) {
        add(replies, key, now_ms);
    } else if (kept->busy) {
        outcome = REPLY_BUSY;
    } else {
        outcome = REPLY_KEPT;
        *length_bytes = kept->length_bytes;
        memcpy(to, kept->reply, kept->length_bytes);
    }
    pthread_mutex_unlock(&replies->lock);
    return outcome;
}

void replies_put(struct replies *replies, const struct reply_key *key, const uint8_t *reply,
                 size_t length_bytes)
{
    pthread_mutex_lock(&replies->lock);
    struct kept *kept = find(replies, key);
    if (kept && length_bytes <= REPLY_KEPT_MAX_BYTES) {
        kept->busy = false;
        kept->reply = xcalloc(1, length_bytes + 1);
        memcpy(kept->reply, reply, length_bytes);
        kept->length_bytes = length_bytes;
    } else if (kept) {
        kept->used = false;
    }
    pthread_mutex_unlock(&replies->lock);
}
