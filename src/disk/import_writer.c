#include "disk/import_writer.h"

#include "disk/digest.h"

#include <pthread.h>

enum { CHUNKS = 4 };

struct import_writer {
    struct store_import *import;
    EVP_MD_CTX *digest; /* the thread's alone until it ended */
    pthread_t thread;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    uint8_t *chunks[CHUNKS];
    size_t lengths[CHUNKS];
    unsigned filled; /* counts of pieces handed over and pieces done; chunk = count % CHUNKS */
    unsigned done;
    bool ending;
    int error;
};

/* The next piece to write, waiting for one; false when nothing more comes. */
static bool next_piece(struct import_writer *writer, unsigned *chunk)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->done == writer->filled && !writer->ending)
        pthread_cond_wait(&writer->changed, &writer->lock);
    bool any = writer->done != writer->filled;
    *chunk = writer->done % CHUNKS;
    pthread_mutex_unlock(&writer->lock);
    return any;
}

static void piece_done(struct import_writer *writer, int error)
{
    pthread_mutex_lock(&writer->lock);
    if (!writer->error)
        writer->error = error;
    writer->done++;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static void *writer_thread(void *arg)
{
    struct import_writer *writer = arg;
    unsigned chunk;
    int r = 0;

    pthread_setname_np(pthread_self(), "import-writer");
    while (next_piece(writer, &chunk)) {
        if (r == 0) {
            sha256_add(writer->digest, writer->chunks[chunk], writer->lengths[chunk]);
            r = store_import_append(writer->import, writer->chunks[chunk], writer->lengths[chunk]);
        }
        piece_done(writer, r);
    }
    return NULL;
}

struct import_writer *import_writer_start(struct store_import *import)
{
    struct import_writer *writer = xcalloc(1, sizeof(*writer));

    writer->import = import;
    writer->digest = sha256_begin();
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    for (unsigned i = 0; i < CHUNKS; i++)
        writer->chunks[i] = xcalloc(IMPORT_CHUNK_BYTES, 1);
    CHECK(pthread_create(&writer->thread, NULL, writer_thread, writer) == 0);
    return writer;
}

uint8_t *import_writer_buffer(struct import_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->filled - writer->done == CHUNKS)
        pthread_cond_wait(&writer->changed, &writer->lock);
    uint8_t *buffer = writer->chunks[writer->filled % CHUNKS];
    pthread_mutex_unlock(&writer->lock);
    return buffer;
}

int import_writer_put(struct import_writer *writer, size_t length_bytes)
{
    pthread_mutex_lock(&writer->lock);
    writer->lengths[writer->filled % CHUNKS] = length_bytes;
    writer->filled++;
    int error = writer->error;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    return error;
}

int import_writer_finish(struct import_writer *writer, char sha256[65])
{
    pthread_mutex_lock(&writer->lock);
    writer->ending = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);

    int error = writer->error;
    sha256_text(writer->digest, sha256);
    EVP_MD_CTX_free(writer->digest);
    for (unsigned i = 0; i < CHUNKS; i++)
        free(writer->chunks[i]);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
    return error;
}
