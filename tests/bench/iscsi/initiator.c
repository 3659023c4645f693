#include "initiator.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/inet.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    INPUT_BYTES = 1 << 19,
    QUEUE_ITEMS = 2048,
    SEND_ITEMS = 128,
    SECTOR_BYTES = 512,
    OPCODE_READ_16 = 0x88,
    OPCODE_WRITE_16 = 0x8a,
    STATUS_GOOD = 0,
    MAX_RECV_BYTES = 262144,
    PDU_DATA_DEFAULT_BYTES = 8192, /* what a target takes that declares nothing */
    LOGIN_TEXT_MAX_BYTES = 2048,
    LOGIN_STEPS_MAX = 4,
    TAG_BESIDE = 0x1000,
};

/* One PDU that waits to be sent. */
struct item {
    uint8_t header[PDU_HEADER_BYTES + PDU_DIGEST_BYTES];
    uint8_t trailer[PDU_DIGEST_BYTES];
    const uint8_t *data;
    size_t header_bytes, data_bytes, trailer_bytes;
};

struct slot {
    bool busy;
    uint64_t begun_ns;
    uint64_t offset; /* on the disk */
    uint8_t *data;   /* of a write that is patterned */
};

struct stream_of_commands {
    const struct job *job;
    struct slot slots[INITIATOR_DEPTH_MAX];
    unsigned busy;
    uint64_t next_bytes;
    uint64_t issued;
    struct counts counts;
};

struct initiator {
    struct initiator_options options;
    int fd;
    struct pdu_digests digests;
    uint32_t cmd_sn, max_cmd_sn, exp_stat_sn;
    uint32_t first_burst_bytes, max_send_bytes;
    uint64_t random;
    struct stream_of_commands streams[2]; /* the job, and what runs beside it */

    struct item *items; /* a ring */
    uint64_t item_first, item_end;
    size_t item_sent_bytes; /* of the first */

    uint8_t *input;
    size_t input_bytes;
    struct pdu pdu; /* whose data is coming */
    size_t data_left, pad_left;
    uint32_t crc;
    uint64_t now_ns;
};

static uint8_t zeros[INITIATOR_BLOCK_MAX_BYTES];

/* ---- histogram ---- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 16)
        return (unsigned)ns;
    unsigned power = 63 - (unsigned)__builtin_clzll(ns);
    return MIN((power - 3) * 16 + (unsigned)(ns >> (power - 4) & 15), (unsigned)HISTOGRAM_BUCKETS - 1);
}

static uint64_t bucket_end_ns(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    return (uint64_t)(16 + bucket % 16 + 1) << (bucket / 16 - 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    histogram->longest_ns = MAX(histogram->longest_ns, ns);
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    to->longest_ns = MAX(to->longest_ns, from->longest_ns);
}

uint64_t histogram_percentile_ns(const struct histogram *histogram, double percent)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * percent / 100.0), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted)
            return bucket_end_ns(i);
    }
    return histogram->longest_ns;
}

/* ---- login ---- */

static void send_all(int fd, const uint8_t *bytes, size_t length_bytes)
{
    while (length_bytes > 0) {
        ssize_t sent = send(fd, bytes, length_bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            die("cannot send: %s", strerror(errno));
        bytes += sent;
        length_bytes -= (size_t)sent;
    }
}

static void receive_all(int fd, uint8_t *bytes, size_t length_bytes)
{
    while (length_bytes > 0) {
        ssize_t got = recv(fd, bytes, length_bytes, 0);
        if (got <= 0)
            die("the target closed the connection during login");
        bytes += got;
        length_bytes -= (size_t)got;
    }
}

static size_t login_text(const struct initiator_options *o, char *to, size_t size)
{
    const char *digest = o->digests ? "CRC32C" : "None";
    int length = snprintf(
        to, size,
        "InitiatorName=%s%cTargetName=%s%cSessionType=Normal%cHeaderDigest=%s%cDataDigest=%s%c"
        "InitialR2T=No%cImmediateData=Yes%cMaxRecvDataSegmentLength=%d%cMaxBurstLength=1048576%c"
        "FirstBurstLength=262144%cMaxOutstandingR2T=1%cMaxConnections=1%cErrorRecoveryLevel=0%c"
        "DefaultTime2Wait=2%cDefaultTime2Retain=0%cDataPDUInOrder=Yes%cDataSequenceInOrder=Yes%c",
        o->name, 0, o->target, 0, 0, digest, 0, digest, 0, 0, 0, MAX_RECV_BYTES, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    return (size_t)length;
}

/* The number after `key=` in a list of strings that end with NUL. */
static uint32_t number_of(const char *text, size_t length, const char *key, uint32_t otherwise)
{
    size_t key_length = strlen(key);

    for (size_t at = 0; at < length; at += strlen(text + at) + 1)
        if (strncmp(text + at, key, key_length) == 0 && text[at + key_length] == '=')
            return (uint32_t)strtoul(text + at + key_length + 1, NULL, 0);
    return otherwise;
}

/* One request with its answer, whose text comes to lie in `text` and is ended by NUL. */
static struct pdu login_step(struct initiator *i, char *text, uint32_t text_bytes)
{
    struct pdu pdu = {.opcode = PDU_LOGIN_REQUEST, .immediate = true, .flags = PDU_TRANSIT | 1 << 2 | 3};
    uint8_t header[PDU_HEADER_BYTES];

    pdu.data_bytes = text_bytes;
    pdu.lun[1] = 0x02;
    pdu.lun[2] = 0x3d;
    pdu.lun[4] = (uint8_t)(i->options.number >> 8);
    pdu.lun[5] = (uint8_t)i->options.number;
    pdu.words[WORD_CMD_SN] = i->cmd_sn;
    pdu.words[WORD_EXP_STAT_SN] = i->exp_stat_sn;
    pdu_encode(&pdu, header);
    send_all(i->fd, header, sizeof(header));
    send_all(i->fd, (uint8_t *)text, text_bytes + pdu_padding_bytes(text_bytes));

    receive_all(i->fd, header, sizeof(header));
    pdu = pdu_decode(header);
    if (pdu.opcode != PDU_LOGIN_RESPONSE || pdu.data_bytes > LOGIN_TEXT_MAX_BYTES)
        die("the answer to the login is no login response");
    receive_all(i->fd, (uint8_t *)text, pdu.data_bytes + pdu_padding_bytes(pdu.data_bytes));
    text[pdu.data_bytes] = 0;
    if (pdu.words[WORD_DATA_SN] >> 16)
        die("login refused: status %04x", pdu.words[WORD_DATA_SN] >> 16);
    i->exp_stat_sn = pdu.words[WORD_STAT_SN] + 1;
    i->max_cmd_sn = pdu.words[WORD_MAX_CMD_SN];
    return pdu;
}

static void note_numbers(struct initiator *i, const char *text, size_t length)
{
    i->first_burst_bytes = number_of(text, length, "FirstBurstLength", i->first_burst_bytes);
    i->max_send_bytes = number_of(text, length, "MaxRecvDataSegmentLength", i->max_send_bytes);
}

static void log_in(struct initiator *i)
{
    char text[LOGIN_TEXT_MAX_BYTES + 4] = {0};
    uint32_t length = (uint32_t)login_text(&i->options, text, sizeof(text));

    i->first_burst_bytes = MAX_RECV_BYTES;
    i->max_send_bytes = PDU_DATA_DEFAULT_BYTES;
    for (unsigned step = 0; step < LOGIN_STEPS_MAX; step++) {
        struct pdu answer = login_step(i, text, length);
        note_numbers(i, text, answer.data_bytes);
        if ((answer.flags & 0x83) == 0x83) {
            i->max_send_bytes = MIN(i->max_send_bytes, (uint32_t)MAX_RECV_BYTES);
            i->digests = (struct pdu_digests){i->options.digests, i->options.digests};
            return;
        }
        length = 0;
    }
    die("the login does not end");
}

/* The first command of a session is told of the power-on. */
static void take_attention(struct initiator *i)
{
    struct pdu pdu = {.opcode = PDU_SCSI_COMMAND, .flags = PDU_FINAL}; /* TEST UNIT READY */
    uint8_t message[PDU_HEADER_BYTES + PDU_DIGEST_BYTES], rest[512];

    pdu.lun[1] = i->options.lun;
    pdu.words[WORD_CMD_SN] = i->cmd_sn++;
    pdu.words[WORD_EXP_STAT_SN] = i->exp_stat_sn;
    send_all(i->fd, message, pdu_write_header(&pdu, i->digests, message));
    receive_all(i->fd, message, pdu_header_bytes(&pdu, i->digests));
    pdu = pdu_decode(message);
    size_t left = pdu.data_bytes + pdu_trailer_bytes(&pdu, i->digests);
    if (pdu.opcode != PDU_SCSI_RESPONSE || left > sizeof(rest))
        die("the answer to TEST UNIT READY is none");
    receive_all(i->fd, rest, left);
    i->exp_stat_sn = pdu.words[WORD_STAT_SN] + 1;
    i->max_cmd_sn = pdu.words[WORD_MAX_CMD_SN];
}

static int connect_to(uint32_t address, uint16_t port)
{
    struct sockaddr_in to = inet_sockaddr(address, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("cannot connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

struct initiator *initiator_new(const struct initiator_options *options)
{
    struct initiator *i = xcalloc(1, sizeof(*i));

    i->options = *options;
    i->cmd_sn = 1;
    i->random = 0x9e3779b97f4a7c15 * (options->number + 1u);
    i->items = xcalloc(QUEUE_ITEMS, sizeof(*i->items));
    i->input = xcalloc(1, INPUT_BYTES);
    i->streams[0].job = &i->options.job;
    i->streams[1].job = &i->options.beside;
    i->streams[0].next_bytes = i->streams[1].next_bytes = options->number * options->span_bytes / 16;
    i->fd = connect_to(options->address, options->port);
    log_in(i);
    take_attention(i);
    return i;
}

void initiator_free(struct initiator *i)
{
    close(i->fd);
    for (size_t s = 0; s < 2; s++)
        for (size_t n = 0; n < INITIATOR_DEPTH_MAX; n++)
            free(i->streams[s].slots[n].data);
    free(i->items);
    free(i->input);
    free(i);
}

/* ---- what is written and read ---- */

static uint64_t pattern_word(uint64_t place, uint64_t seed)
{
    uint64_t x = (place + seed) * 0xff51afd7ed558ccd;

    return x ^ x >> 29;
}

static void fill_pattern(uint8_t *to, uint64_t offset, size_t length_bytes, uint64_t seed)
{
    for (size_t at = 0; at < length_bytes; at += 8) {
        uint64_t word = pattern_word(offset + at, seed);
        memcpy(to + at, &word, 8);
    }
}

static void check_pattern(const uint8_t *bytes, uint64_t offset, size_t length_bytes, uint64_t seed)
{
    for (size_t at = 0; at < length_bytes; at++) {
        uint64_t word = pattern_word((offset + at) & ~7ull, seed);
        if (bytes[at] != (uint8_t)(word >> (offset + at) % 8 * 8))
            die("wrong data at byte %llu", (unsigned long long)(offset + at));
    }
}

static uint64_t next_random(struct initiator *i)
{
    i->random ^= i->random << 13;
    i->random ^= i->random >> 7;
    i->random ^= i->random << 17;
    return i->random;
}

static uint64_t next_offset(struct initiator *i, struct stream_of_commands *stream)
{
    uint32_t block = stream->job->block_bytes;
    uint64_t blocks = i->options.span_bytes / block;

    if (!stream->job->sequential)
        return i->options.start_bytes + next_random(i) % blocks * block;
    uint64_t at = stream->next_bytes / block % blocks * block;
    stream->next_bytes = at + block;
    return i->options.start_bytes + at;
}

/* ---- sending ---- */

static void queue_pdu(struct initiator *i, const struct pdu *pdu, const uint8_t *data)
{
    CHECK(i->item_end - i->item_first < QUEUE_ITEMS);
    struct item *item = &i->items[i->item_end++ % QUEUE_ITEMS];

    item->header_bytes = pdu_write_header(pdu, i->digests, item->header);
    item->data = data;
    item->data_bytes = pdu->data_bytes;
    item->trailer_bytes = 0;
    if (!i->digests.data || !pdu->data_bytes)
        return;
    struct writer w = writer_over(item->trailer, sizeof(item->trailer));
    writer_le32(&w, crc32c(0, data, pdu->data_bytes));
    item->trailer_bytes = sizeof(item->trailer);
}

/* `end` of the command's data is reached by Data-Out PDUs from `at` on. */
static void queue_data_out(struct initiator *i, uint32_t tag, uint32_t transfer_tag, const uint8_t *data, uint32_t at,
                           uint32_t end)
{
    for (uint32_t data_sn = 0; at < end; data_sn++) {
        uint32_t length = MIN(end - at, i->max_send_bytes);
        struct pdu pdu = {.opcode = PDU_DATA_OUT, .task_tag = tag, .data_bytes = length};
        pdu.flags = at + length == end ? PDU_FINAL : 0;
        pdu.lun[1] = i->options.lun;
        pdu.words[WORD_TRANSFER_TAG] = transfer_tag;
        pdu.words[WORD_EXP_STAT_SN] = i->exp_stat_sn;
        pdu.words[WORD_DATA_SN] = data_sn;
        pdu.words[WORD_BUFFER_OFFSET] = at;
        queue_pdu(i, &pdu, data + at);
        at += length;
    }
}

static const uint8_t *data_of(struct initiator *i, struct slot *slot, uint32_t block_bytes)
{
    if (!i->options.patterned)
        return zeros;
    if (!slot->data)
        slot->data = xcalloc(1, block_bytes);
    fill_pattern(slot->data, slot->offset, block_bytes, i->options.seed);
    return slot->data;
}

static void encode_cdb(struct pdu *pdu, bool writes, uint64_t offset, uint32_t block_bytes)
{
    struct writer w = writer_over(pdu->cdb, sizeof(pdu->cdb));

    writer_u8(&w, writes ? OPCODE_WRITE_16 : OPCODE_READ_16);
    writer_u8(&w, 0);
    writer_be64(&w, offset / SECTOR_BYTES);
    writer_be32(&w, block_bytes / SECTOR_BYTES);
}

static void issue(struct initiator *i, struct stream_of_commands *stream, uint32_t tag, struct slot *slot)
{
    const struct job *job = stream->job;
    struct pdu pdu = {.opcode = PDU_SCSI_COMMAND, .task_tag = tag};

    slot->busy = true;
    slot->offset = next_offset(i, stream);
    slot->begun_ns = i->now_ns;
    stream->busy++;
    stream->issued++;
    pdu.lun[1] = i->options.lun;
    pdu.words[WORD_EXPECTED_LENGTH] = job->block_bytes;
    pdu.words[WORD_CMD_SN] = i->cmd_sn++;
    pdu.words[WORD_EXP_STAT_SN] = i->exp_stat_sn;
    encode_cdb(&pdu, job->writes, slot->offset, job->block_bytes);
    if (!job->writes) {
        pdu.flags = PDU_FINAL | PDU_READ;
        queue_pdu(i, &pdu, NULL);
        return;
    }
    const uint8_t *data = data_of(i, slot, job->block_bytes);
    uint32_t unsolicited = MIN(job->block_bytes, i->first_burst_bytes);
    pdu.data_bytes = MIN(unsolicited, i->max_send_bytes);
    pdu.flags = PDU_WRITE | (pdu.data_bytes == unsolicited ? PDU_FINAL : 0);
    queue_pdu(i, &pdu, data);
    queue_data_out(i, tag, PDU_NO_TAG, data, pdu.data_bytes, unsolicited);
}

static bool may_issue(const struct initiator *i, const struct stream_of_commands *stream)
{
    return stream->busy < stream->job->depth && (int32_t)(i->max_cmd_sn - i->cmd_sn) >= 0 &&
           (!i->options.ops_max || stream->issued < i->options.ops_max);
}

static void issue_all(struct initiator *i)
{
    for (unsigned s = 0; s < 2; s++) {
        struct stream_of_commands *stream = &i->streams[s];
        for (uint32_t n = 0; n < stream->job->depth && may_issue(i, stream); n++)
            if (!stream->slots[n].busy)
                issue(i, stream, n + s * TAG_BESIDE, &stream->slots[n]);
    }
}

static int gather(const struct initiator *i, struct iovec *vec)
{
    int count = 0;
    uint64_t end = MIN(i->item_end, i->item_first + SEND_ITEMS);
    size_t skip = i->item_sent_bytes;

    for (uint64_t n = i->item_first; n < end; n++) {
        struct item *item = &i->items[n % QUEUE_ITEMS];
        struct iovec parts[3] = {{item->header, item->header_bytes},
                                 {(void *)item->data, item->data_bytes},
                                 {item->trailer, item->trailer_bytes}};
        for (size_t p = 0; p < 3; p++) {
            size_t cut = MIN(skip, parts[p].iov_len);
            skip -= cut;
            if (parts[p].iov_len > cut)
                vec[count++] = (struct iovec){(uint8_t *)parts[p].iov_base + cut, parts[p].iov_len - cut};
        }
    }
    return count;
}

static void count_sent(struct initiator *i, size_t sent)
{
    sent += i->item_sent_bytes;
    while (i->item_first < i->item_end) {
        const struct item *item = &i->items[i->item_first % QUEUE_ITEMS];
        size_t whole = item->header_bytes + item->data_bytes + item->trailer_bytes;
        if (sent < whole)
            break;
        sent -= whole;
        i->item_first++;
    }
    i->item_sent_bytes = sent;
}

static void send_items(struct initiator *i)
{
    struct iovec vec[SEND_ITEMS * 3];

    while (i->item_first < i->item_end) {
        struct msghdr message = {.msg_iov = vec, .msg_iovlen = (size_t)gather(i, vec)};
        ssize_t sent = sendmsg(i->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            die("cannot send: %s", strerror(errno));
        count_sent(i, (size_t)sent);
    }
}

/* ---- receiving ---- */

static struct slot *slot_of(struct initiator *i, uint32_t tag, struct stream_of_commands **stream)
{
    uint32_t n = tag % TAG_BESIDE;

    *stream = &i->streams[tag / TAG_BESIDE & 1];
    if (n >= INITIATOR_DEPTH_MAX || !(*stream)->slots[n].busy)
        die("an answer to no command of ours: tag %08x", tag);
    return &(*stream)->slots[n];
}

static void finish(struct initiator *i, const struct pdu *pdu)
{
    struct stream_of_commands *stream;
    struct slot *slot = slot_of(i, pdu->task_tag, &stream);

    if (pdu->opcode == PDU_SCSI_RESPONSE && pdu->detail[1] != STATUS_GOOD)
        die("a command failed: status %02x", pdu->detail[1]);
    slot->busy = false;
    stream->busy--;
    i->exp_stat_sn = pdu->words[WORD_STAT_SN] + 1;
    stream->counts.ops++;
    stream->counts.bytes += stream->job->block_bytes;
    histogram_add(&stream->counts.latency, i->now_ns - slot->begun_ns);
}

static void answer_r2t(struct initiator *i, const struct pdu *pdu)
{
    struct stream_of_commands *stream;
    struct slot *slot = slot_of(i, pdu->task_tag, &stream);
    uint32_t at = pdu->words[WORD_BUFFER_OFFSET];

    queue_data_out(i, pdu->task_tag, pdu->words[WORD_TRANSFER_TAG], i->options.patterned ? slot->data : zeros, at,
                   at + pdu->words[WORD_DESIRED_LENGTH]);
}

static void answer_ping(struct initiator *i, const struct pdu *pdu)
{
    struct pdu answer = {.opcode = PDU_NOP_OUT, .immediate = true, .flags = PDU_FINAL, .task_tag = PDU_NO_TAG};

    answer.words[WORD_TRANSFER_TAG] = pdu->words[WORD_TRANSFER_TAG];
    answer.words[WORD_CMD_SN] = i->cmd_sn;
    answer.words[WORD_EXP_STAT_SN] = i->exp_stat_sn;
    if (pdu->words[WORD_TRANSFER_TAG] != PDU_NO_TAG)
        queue_pdu(i, &answer, NULL);
}

/* The PDU and its data are complete. */
static void take_pdu(struct initiator *i)
{
    const struct pdu *pdu = &i->pdu;

    i->max_cmd_sn = pdu->words[WORD_MAX_CMD_SN];
    switch (pdu->opcode) {
    case PDU_DATA_IN:
        if (pdu->flags & PDU_STATUS)
            finish(i, pdu);
        break;
    case PDU_SCSI_RESPONSE:
        finish(i, pdu);
        break;
    case PDU_R2T:
        answer_r2t(i, pdu);
        break;
    case PDU_NOP_IN:
        answer_ping(i, pdu);
        break;
    default:
        die("the target sent a PDU of kind %02x", pdu->opcode);
    }
}

static void take_data(struct initiator *i, const uint8_t *bytes, size_t length_bytes)
{
    struct stream_of_commands *stream;

    if (i->digests.data)
        i->crc = crc32c(i->crc, bytes, length_bytes);
    if (i->options.patterned && i->pdu.opcode == PDU_DATA_IN)
        check_pattern(bytes,
                      slot_of(i, i->pdu.task_tag, &stream)->offset + i->pdu.words[WORD_BUFFER_OFFSET] +
                          i->pdu.data_bytes - i->data_left,
                      length_bytes, i->options.seed);
}

/* Uses as much as it can of what came; gives how much that was. */
static size_t take_input(struct initiator *i, const uint8_t *bytes, size_t length_bytes)
{
    size_t header_bytes = PDU_HEADER_BYTES + (i->digests.header ? PDU_DIGEST_BYTES : 0);

    if (i->data_left) {
        size_t step = MIN(i->data_left, length_bytes);
        take_data(i, bytes, step);
        i->data_left -= step;
        if (!i->data_left && !i->pad_left)
            take_pdu(i);
        return step;
    }
    if (i->pad_left) {
        if (length_bytes < i->pad_left)
            return 0;
        size_t step = i->pad_left;
        if (i->digests.data) {
            struct reader r = reader_over(bytes + step - PDU_DIGEST_BYTES, PDU_DIGEST_BYTES);
            if (step == PDU_DIGEST_BYTES && reader_le32(&r) != i->crc)
                die("wrong data digest");
        }
        i->pad_left = 0;
        take_pdu(i);
        return step;
    }
    if (length_bytes < header_bytes)
        return 0;
    i->pdu = pdu_decode(bytes);
    if (!pdu_header_digest_ok(&i->pdu, bytes, i->digests))
        die("wrong header digest");
    i->data_left = i->pdu.data_bytes;
    i->pad_left = pdu_trailer_bytes(&i->pdu, i->digests);
    i->crc = 0;
    if (!i->data_left)
        take_pdu(i);
    return header_bytes;
}

/* True if there may be more. */
static bool receive(struct initiator *i)
{
    ssize_t got = recv(i->fd, i->input + i->input_bytes, INPUT_BYTES - i->input_bytes, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        die("the target closed the connection");
    i->now_ns = clock_monotonic_ns();
    size_t length = i->input_bytes + (size_t)got, used = 0, step;
    bool full = length == INPUT_BYTES;
    while (used < length && (step = take_input(i, i->input + used, length - used)))
        used += step;
    i->input_bytes = length - used;
    memmove(i->input, i->input + used, i->input_bytes);
    return full;
}

bool initiator_go_on(struct initiator *i, bool stopping)
{
    while (receive(i))
        ;
    i->now_ns = clock_monotonic_ns();
    if (!stopping)
        issue_all(i);
    send_items(i);
    return i->item_first < i->item_end;
}

int initiator_fd(const struct initiator *i)
{
    return i->fd;
}

bool initiator_is_idle(const struct initiator *i)
{
    return !i->streams[0].busy && !i->streams[1].busy;
}

void initiator_reset_counts(struct initiator *i)
{
    for (size_t s = 0; s < 2; s++)
        i->streams[s].counts = (struct counts){0};
}

const struct counts *initiator_counts(const struct initiator *i, bool beside)
{
    return &i->streams[beside].counts;
}
