#include "../test.h"

#include "iscsi/session.h"
#include "memory_volume.h"

enum { DISK_BYTES = 4 << 20, FIRST_CMD_SN = 0xfffffff0 }; /* the numbers wrap on the way */

struct fixture {
    struct volume *volume;
    struct scsi_disk *disk;
    struct session session;
    uint32_t cmd_sn;
    uint32_t tag;
};

static struct session_parameters parameters(void)
{
    return (struct session_parameters){
        .target_name = "iqn.target",
        .peer_max_recv_bytes = 8192,
        .immediate_data = true,
        .max_burst_bytes = 16384,
        .first_burst_bytes = 8192,
        .max_outstanding_r2t = 2,
        .time2wait_seconds = 2,
    };
}

static void begin(struct fixture *f, struct session_parameters p)
{
    session_init(&f->session, &p, 1, FIRST_CMD_SN, 100);
    scsi_nexus_init(&f->session.nexus, p.target_name, 1, "iqn.initiator,i,0x00023d000001");
    CHECK(scsi_nexus_attach(&f->session.nexus, 0, f->disk) == 0);
    atomic_store(&f->session.nexus.paths[0].attentions, 0);
    f->cmd_sn = FIRST_CMD_SN;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    f->volume = memory_volume_new(DISK_BYTES);
    f->disk = scsi_disk_new(f->volume);
    begin(f, parameters());
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    session_end(&f->session);
    scsi_disk_unref(f->disk);
    memory_volume_free(f->volume);
    free(f);
    return 0;
}

static void restart(struct fixture *f, struct session_parameters p)
{
    session_end(&f->session);
    begin(f, p);
}

/* ---- saying ---- */

static struct pdu command(struct fixture *f, uint8_t flags, uint32_t expected, const uint8_t *cdb,
                          uint32_t data_bytes)
{
    struct pdu pdu = {
        .opcode = PDU_SCSI_COMMAND, .flags = flags, .task_tag = ++f->tag, .data_bytes = data_bytes};

    pdu.words[WORD_EXPECTED_LENGTH] = expected;
    pdu.words[WORD_CMD_SN] = f->cmd_sn++;
    memcpy(pdu.cdb, cdb, sizeof(pdu.cdb));
    return pdu;
}

static enum session_verdict say_data(struct fixture *f, const struct pdu *pdu, uint8_t fill)
{
    uint8_t *place;
    enum session_verdict verdict = session_begin_data(&f->session, pdu, &place);

    if (verdict == SESSION_BROKEN)
        return verdict;
    if (place)
        memset(place, fill, pdu->data_bytes);
    return session_end_data(&f->session, pdu);
}

#define CDB(...) ((const uint8_t[16]){__VA_ARGS__})
#define READ_10(lba, blocks) CDB(0x28, 0, 0, 0, (lba) >> 8, (lba)&0xff, 0, (blocks) >> 8, (blocks)&0xff)
#define WRITE_10(lba, blocks) CDB(0x2a, 0, 0, 0, (lba) >> 8, (lba)&0xff, 0, (blocks) >> 8, (blocks)&0xff)

static enum session_verdict say(struct fixture *f, uint8_t flags, uint32_t expected, const uint8_t *cdb)
{
    struct pdu pdu = command(f, flags, expected, cdb, 0);

    return say_data(f, &pdu, 0);
}

static enum session_verdict say_data_out(struct fixture *f, uint32_t transfer_tag, uint32_t data_sn,
                                         uint32_t offset, uint32_t bytes, bool final)
{
    struct pdu pdu = {
        .opcode = PDU_DATA_OUT, .flags = final ? PDU_FINAL : 0, .task_tag = f->tag, .data_bytes = bytes};

    pdu.words[WORD_TRANSFER_TAG] = transfer_tag;
    pdu.words[WORD_DATA_SN] = data_sn;
    pdu.words[WORD_BUFFER_OFFSET] = offset;
    return say_data(f, &pdu, 0xab);
}

static enum session_verdict request(struct fixture *f, uint8_t opcode, uint8_t flags, uint32_t tag,
                                    const char *data, size_t length)
{
    struct pdu pdu = {
        .opcode = opcode, .immediate = true, .flags = flags, .task_tag = tag, .data_bytes = (uint32_t)length};

    pdu.words[WORD_TRANSFER_TAG] = PDU_NO_TAG;
    pdu.words[WORD_CMD_SN] = f->cmd_sn;
    return session_request(&f->session, &pdu, (const uint8_t *)data);
}

static enum session_verdict manage(struct fixture *f, uint8_t function, uint32_t referenced)
{
    struct pdu pdu = {
        .opcode = PDU_TASK_REQUEST, .immediate = true, .flags = PDU_FINAL | function, .task_tag = 900};

    pdu.words[WORD_REFERENCED_TAG] = referenced;
    pdu.words[WORD_CMD_SN] = f->cmd_sn;
    return session_request(&f->session, &pdu, NULL);
}

/* ---- hearing ---- */

static void execute(struct fixture *f)
{
    struct task *task;

    while ((task = session_next_ready(&f->session))) {
        CHECK(scsi_execute(&task->scsi, VOLUME_MAY_WAIT) == 0);
        session_executed(&f->session, task);
    }
}

/* The next PDU with its data; false if nothing is to be sent. */
static bool hear(struct fixture *f, struct session_output *out, uint8_t data[8192])
{
    execute(f);
    while (session_next(&f->session, out)) {
        if (out->read &&
            scsi_read(&out->task->scsi, out->read_offset, data, out->read_bytes, VOLUME_MAY_WAIT) < 0) {
            session_read_failed(&f->session, out->task);
            continue;
        }
        if (!out->read && out->pdu.data_bytes)
            memcpy(data, out->data, out->pdu.data_bytes);
        session_sent(&f->session, out);
        return true;
    }
    return false;
}

static struct pdu hear_pdu(struct fixture *f)
{
    struct session_output out;
    uint8_t data[8192];

    assert_true(hear(f, &out, data));
    return out.pdu;
}

static void hear_nothing(struct fixture *f)
{
    struct session_output out;
    uint8_t data[8192];

    assert_false(hear(f, &out, data));
}

/* ---- reading ---- */

static void a_short_read_is_one_pdu_with_its_status(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL | PDU_READ, 4096, READ_10(0, 8));
    struct pdu pdu = hear_pdu(f);
    assert_int_equal(pdu.opcode, PDU_DATA_IN);
    assert_int_equal(pdu.flags, PDU_FINAL | PDU_STATUS);
    assert_int_equal(pdu.data_bytes, 4096);
    assert_int_equal(pdu.words[WORD_STAT_SN], 100);
    assert_int_equal(pdu.words[WORD_EXP_CMD_SN], FIRST_CMD_SN + 1u);
    hear_nothing(f);
}

static void a_long_read_is_cut_at_segments_and_bursts(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t offset, bytes;
        uint8_t flags;
    } expected[] = {
        {0, 8192, 0},
        {8192, 8192, PDU_FINAL},
        {16384, 8192, 0},
        {24576, 4096, PDU_FINAL | PDU_STATUS},
    };

    say(f, PDU_FINAL | PDU_READ, 28672, READ_10(16, 56));
    for (uint32_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct pdu pdu = hear_pdu(f);
        assert_int_equal(pdu.words[WORD_DATA_SN], i);
        assert_int_equal(pdu.words[WORD_BUFFER_OFFSET], expected[i].offset);
        assert_int_equal(pdu.data_bytes, expected[i].bytes);
        assert_int_equal(pdu.flags, expected[i].flags);
    }
    hear_nothing(f);
}

static void segments_that_are_no_sectors_are_rounded(void **state)
{
    struct fixture *f = *state;
    struct session_parameters p = parameters();

    p.peer_max_recv_bytes = 1000;
    p.max_burst_bytes = 1300;
    restart(f, p);
    say(f, PDU_FINAL | PDU_READ, 2048, READ_10(0, 4));
    for (int i = 0; i < 4; i++)
        assert_int_equal(hear_pdu(f).data_bytes, 512);
    hear_nothing(f);
}

static void a_short_read_does_not_wait_for_a_long_one(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL | PDU_READ, 65536, READ_10(0, 128));
    say(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1));
    assert_int_equal(hear_pdu(f).task_tag, 1);
    assert_int_equal(hear_pdu(f).task_tag, 2);
    assert_int_equal(hear_pdu(f).task_tag, 1);
}

static void a_page_does_not_wait_for_a_stream(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++)
        say(f, PDU_FINAL | PDU_READ, 1 << 20, READ_10(0, 2048));
    hear_pdu(f);
    say(f, PDU_FINAL | PDU_READ, 4096, READ_10(0, 8));
    assert_int_equal(hear_pdu(f).task_tag, 5);
    assert_int_equal(hear_pdu(f).task_tag, 2);
}

static void a_stream_is_not_kept_waiting_for_ever(void **state)
{
    struct fixture *f = *state;
    unsigned turn = 0;

    say(f, PDU_FINAL | PDU_READ, 1 << 20, READ_10(0, 2048));
    for (int i = 0; i < 2 * SESSION_SHORT_TURNS; i++)
        say(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1));
    while (hear_pdu(f).task_tag != 1)
        turn++;
    assert_int_equal(turn, SESSION_SHORT_TURNS);
    assert_int_not_equal(hear_pdu(f).task_tag, 1);
}

/* Nothing is in memory: each read goes to a worker, as many as the session may have. */
static unsigned send_elsewhere(struct fixture *f, struct task **tasks)
{
    struct session_output out;
    unsigned count = 0;

    while (session_next(&f->session, &out) && out.read)
        if (session_read_elsewhere(&f->session, out.task))
            tasks[count++] = out.task;
    return count;
}

static void reads_that_workers_bring_are_bounded(void **state)
{
    enum { READS = 40, MOST = SESSION_PIECES_MAX_BYTES / TASK_PIECE_BYTES };
    struct fixture *f = *state;
    struct task *tasks[READS];
    atomic_size_t all = 0;
    unsigned answered = 0;

    f->session.buffered_in_all = &all;
    for (int i = 0; i < READS; i++)
        say(f, PDU_FINAL | PDU_READ, TASK_PIECE_BYTES, READ_10(0, TASK_PIECE_BYTES / 512));
    for (unsigned left = READS; left > 0;) {
        unsigned count = send_elsewhere(f, tasks);
        assert_in_range(count, 1, MOST);
        assert_int_equal(all, count * TASK_PIECE_BYTES);
        for (unsigned i = 0; i < count; i++)
            session_read_done(&f->session, tasks[i]);
        struct session_output out;
        while (session_next(&f->session, &out) && !out.read) {
            answered += out.has_status;
            session_sent(&f->session, &out);
        }
        left -= count;
    }
    assert_int_equal(answered, READS);
    assert_int_equal(all, 0);
    hear_nothing(f);
}

static void without_memory_for_any_piece_a_read_is_to_be_tried_later(void **state)
{
    struct fixture *f = *state;
    struct session_output out;
    atomic_size_t all = SESSIONS_BUFFERED_MAX_BYTES;

    f->session.buffered_in_all = &all;
    say(f, PDU_FINAL | PDU_READ, 4096, READ_10(0, 8));
    assert_true(session_next(&f->session, &out) && out.read);
    assert_false(session_read_elsewhere(&f->session, out.task));
    struct pdu pdu = hear_pdu(f);
    assert_int_equal(pdu.opcode, PDU_SCSI_RESPONSE);
    assert_int_equal(pdu.detail[1], SCSI_BUSY);
    hear_nothing(f);
}

static void a_read_that_fails_half_way_ends_with_its_status(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL | PDU_READ, 16384, READ_10(0, 32));
    assert_int_equal(hear_pdu(f).opcode, PDU_DATA_IN);
    f->volume->read_error = -EIO;
    struct pdu pdu = hear_pdu(f);
    assert_int_equal(pdu.opcode, PDU_SCSI_RESPONSE);
    assert_int_equal(pdu.detail[1], SCSI_CHECK_CONDITION);
    assert_int_equal(pdu.words[WORD_DATA_SN], 1);
    assert_int_equal(pdu.words[WORD_RESIDUAL], 8192);
    hear_nothing(f);
}

static void a_read_may_be_done_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct session_output out;

    say(f, PDU_FINAL | PDU_READ, 4096, READ_10(0, 8));
    assert_true(session_next(&f->session, &out) && out.read);
    assert_true(session_read_elsewhere(&f->session, out.task));
    assert_int_equal(out.task->piece_bytes, 4096);
    hear_nothing(f);
    out.task->piece[5] = 0x99;
    session_read_done(&f->session, out.task);
    assert_true(session_next(&f->session, &out) && !out.read);
    assert_int_equal(out.data[5], 0x99);
    assert_int_equal(out.pdu.data_bytes, 4096);
}

static void residuals(void **state)
{
    static const struct {
        uint8_t direction;
        uint32_t expected;
        uint8_t flag;
        uint32_t count;
        uint32_t data_bytes;
    } rows[] = {
        {PDU_READ, 1024, 0, 0, 1024},
        {PDU_READ, 2048, PDU_UNDERFLOW, 1024, 1024},
        {PDU_READ, 1000, PDU_OVERFLOW, 24, 1000},
        {PDU_READ, 0, PDU_OVERFLOW, 1024, 0},
        {PDU_WRITE, 1024, PDU_OVERFLOW, 1024, 0}, /* the wrong direction */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        say(f, PDU_FINAL | rows[i].direction, rows[i].expected, READ_10(0, 2));
        struct pdu pdu = hear_pdu(f);
        assert_int_equal(pdu.opcode, rows[i].data_bytes ? PDU_DATA_IN : PDU_SCSI_RESPONSE);
        assert_int_equal(pdu.data_bytes, rows[i].data_bytes);
        assert_int_equal(pdu.flags & (PDU_OVERFLOW | PDU_UNDERFLOW), rows[i].flag);
        assert_int_equal(pdu.words[WORD_RESIDUAL], rows[i].count);
        hear_nothing(f);
    }
}

/* ---- writing ---- */

static void expect_good(struct fixture *f)
{
    struct pdu pdu = hear_pdu(f);

    assert_int_equal(pdu.opcode, PDU_SCSI_RESPONSE);
    assert_int_equal(pdu.detail[1], SCSI_GOOD);
    hear_nothing(f);
}

static void expect_sense(struct fixture *f, uint8_t key, uint16_t code)
{
    struct session_output out;
    uint8_t data[8192];

    assert_true(hear(f, &out, data));
    assert_int_equal(out.pdu.detail[1], SCSI_CHECK_CONDITION);
    assert_int_equal(data[1], 18);
    assert_int_equal(data[2 + 2], key);
    assert_int_equal(data[2 + 12] << 8 | data[2 + 13], code);
}

static void immediate_data_needs_no_round_trip(void **state)
{
    struct fixture *f = *state;
    struct pdu pdu = command(f, PDU_FINAL | PDU_WRITE, 4096, WRITE_10(8, 8), 4096);

    say_data(f, &pdu, 0xcd);
    expect_good(f);
    assert_int_equal(f->volume->data[8 * 512], 0xcd);
    assert_int_equal(f->volume->data[16 * 512 - 1], 0xcd);
    assert_int_equal(f->volume->data[16 * 512], 0);
}

static void immediate_then_unsolicited_then_asked_for(void **state)
{
    struct fixture *f = *state;
    struct pdu pdu = command(f, PDU_WRITE, 65536, WRITE_10(0, 128), 4096);

    say_data(f, &pdu, 0xab);
    hear_nothing(f); /* the unsolicited burst must end first */
    say_data_out(f, PDU_NO_TAG, 0, 4096, 4096, true);
    struct pdu first = hear_pdu(f), second = hear_pdu(f);
    hear_nothing(f); /* MaxOutstandingR2T=2 */
    assert_int_equal(first.opcode, PDU_R2T);
    assert_int_equal(first.words[WORD_STAT_SN], 100);
    assert_int_equal(first.words[WORD_BUFFER_OFFSET], 8192);
    assert_int_equal(first.words[WORD_DESIRED_LENGTH], 16384);
    assert_int_equal(second.words[WORD_DATA_SN], 1);
    assert_int_equal(second.words[WORD_BUFFER_OFFSET], 24576);
    assert_int_not_equal(first.words[WORD_TRANSFER_TAG], second.words[WORD_TRANSFER_TAG]);
    say_data_out(f, first.words[WORD_TRANSFER_TAG], 0, 8192, 8192, false);
    say_data_out(f, first.words[WORD_TRANSFER_TAG], 1, 16384, 8192, true);
    struct pdu third = hear_pdu(f);
    say_data_out(f, second.words[WORD_TRANSFER_TAG], 0, 24576, 16384, true);
    say_data_out(f, third.words[WORD_TRANSFER_TAG], 0, 40960, 16384, true);
    struct pdu fourth = hear_pdu(f);
    assert_int_equal(fourth.words[WORD_DESIRED_LENGTH], 65536 - 57344);
    say_data_out(f, fourth.words[WORD_TRANSFER_TAG], 0, 57344, 8192, true);
    expect_good(f);
    for (size_t i = 0; i < 65536; i++)
        assert_int_equal(f->volume->data[i], 0xab);
}

static void data_that_breaks_the_rules_fails_the_command(void **state)
{
    static const struct {
        const char *what;
        uint32_t data_sn, offset, bytes;
        bool final;
    } rows[] = {
        {"a wrong DataSN", 1, 0, 4096, true},
        {"a wrong offset", 0, 512, 4096, true},
        {"more than was asked for", 0, 0, 16384, true},
        {"less than was asked for", 0, 0, 512, true},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        say(f, PDU_FINAL | PDU_WRITE, 8192, WRITE_10(0, 16));
        struct pdu r2t = hear_pdu(f);
        say_data_out(f, r2t.words[WORD_TRANSFER_TAG], rows[i].data_sn, rows[i].offset, rows[i].bytes,
                     rows[i].final);
        expect_sense(f, SENSE_ABORTED_COMMAND, SENSE_CODE_WRONG_DATA_LENGTH);
        /* What still comes for it is nobody's. */
        say_data_out(f, r2t.words[WORD_TRANSFER_TAG], 0, 0, 512, true);
        hear_nothing(f);
    }
    assert_int_equal(f->session.buffered_bytes, 0);
    assert_int_equal(f->volume->data[0], 0);
}

static void unsolicited_data_against_the_agreement(void **state)
{
    struct fixture *f = *state;
    struct session_parameters p = parameters();
    struct pdu pdu = command(f, PDU_FINAL | PDU_WRITE, 16384, WRITE_10(0, 32), 12288);

    say_data(f, &pdu, 0xcd); /* FirstBurstLength is 8192 */
    expect_sense(f, SENSE_ABORTED_COMMAND, SENSE_CODE_UNEXPECTED_DATA);
    p.initial_r2t = true;
    restart(f, p);
    say(f, PDU_WRITE, 8192, WRITE_10(0, 16)); /* F=0 announces Data-Out nobody asked for */
    expect_sense(f, SENSE_ABORTED_COMMAND, SENSE_CODE_UNEXPECTED_DATA);
}

static void more_data_than_the_cdb_wants_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct pdu pdu = command(f, PDU_FINAL | PDU_WRITE, 1024, WRITE_10(0, 1), 1024);

    say_data(f, &pdu, 0xcd);
    struct pdu answer = hear_pdu(f);
    assert_int_equal(answer.flags & PDU_UNDERFLOW, PDU_UNDERFLOW);
    assert_int_equal(answer.words[WORD_RESIDUAL], 512);
    assert_int_equal(f->volume->data[511], 0xcd);
    assert_int_equal(f->volume->data[512], 0);
}

static void data_beyond_the_memory_is_refused_not_kept(void **state)
{
    struct fixture *f = *state;
    unsigned full = 0;

    for (unsigned i = 0; i < 20; i++) {
        struct session_output out;
        uint8_t data[8192];
        say(f, PDU_FINAL | PDU_WRITE, 4 << 20, WRITE_10(0, 8192));
        while (hear(f, &out, data))
            full += out.pdu.opcode == PDU_SCSI_RESPONSE && out.pdu.detail[1] == SCSI_TASK_SET_FULL;
    }
    assert_int_equal(full, 20 - SESSION_BUFFERED_MAX_BYTES / (4 << 20));
}

static void what_all_sessions_keep_is_counted_together(void **state)
{
    static atomic_size_t in_all;
    const size_t of_others = SESSIONS_BUFFERED_MAX_BYTES - (6 << 20);
    struct fixture *f = *state;
    struct session_output out;
    uint8_t data[8192];
    unsigned full = 0;

    atomic_store(&in_all, of_others);
    f->session.buffered_in_all = &in_all;
    for (unsigned i = 0; i < 2; i++) {
        say(f, PDU_FINAL | PDU_WRITE, 4 << 20, WRITE_10(0, 8192));
        while (hear(f, &out, data))
            full += out.pdu.opcode == PDU_SCSI_RESPONSE && out.pdu.detail[1] == SCSI_TASK_SET_FULL;
    }
    assert_int_equal(full, 1);
    assert_int_equal(atomic_load(&in_all), of_others + (4 << 20));
    session_abort_all(&f->session);
    assert_int_equal(atomic_load(&in_all), of_others);
}

/* ---- numbers ---- */

static void commands_outside_the_window_are_ignored(void **state)
{
    struct fixture *f = *state;

    f->cmd_sn = FIRST_CMD_SN - 1;
    assert_int_equal(say(f, PDU_FINAL, 0, CDB(0)), SESSION_GOES_ON);
    f->cmd_sn = FIRST_CMD_SN + (uint32_t)SESSION_TASKS_MAX;
    assert_int_equal(say(f, PDU_FINAL, 0, CDB(0)), SESSION_GOES_ON);
    hear_nothing(f);
    f->cmd_sn = FIRST_CMD_SN;
    say(f, PDU_FINAL, 0, CDB(0));
    expect_good(f);
}

static void a_gap_ends_the_session(void **state)
{
    struct fixture *f = *state;

    f->cmd_sn++;
    assert_int_equal(say(f, PDU_FINAL, 0, CDB(0)), SESSION_BROKEN);
}

static void the_window_closes_and_opens_again(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < SESSION_TASKS_MAX; i++)
        say(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1));
    assert_int_equal(f->session.max_cmd_sn, FIRST_CMD_SN + (uint32_t)SESSION_TASKS_MAX - 1);
    say(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1)); /* one too many */
    unsigned answers = 0;
    struct session_output out;
    uint8_t data[8192];
    uint32_t last = f->session.max_cmd_sn;
    while (hear(f, &out, data)) {
        answers++;
        assert_true((int32_t)(out.pdu.words[WORD_MAX_CMD_SN] - last) >= 0);
        last = out.pdu.words[WORD_MAX_CMD_SN];
    }
    assert_int_equal(answers, SESSION_TASKS_MAX);
    assert_int_equal(f->session.max_cmd_sn, f->session.exp_cmd_sn + SESSION_TASKS_MAX - 1);
}

static void immediate_commands_use_no_number_and_are_bounded(void **state)
{
    struct fixture *f = *state;
    unsigned rejected = 0;

    for (int i = 0; i < SESSION_IMMEDIATE_MAX + 2; i++) {
        struct pdu pdu = command(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1), 0);
        pdu.immediate = true;
        f->cmd_sn--;
        say_data(f, &pdu, 0);
    }
    assert_int_equal(f->session.exp_cmd_sn, (uint32_t)FIRST_CMD_SN);
    struct session_output out;
    uint8_t data[8192];
    while (hear(f, &out, data))
        rejected += out.pdu.opcode == PDU_REJECT && out.pdu.detail[0] == REJECT_TOO_MANY_IMMEDIATE;
    assert_int_equal(rejected, 2);
}

static void a_tag_in_use_is_rejected(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL | PDU_WRITE, 8192, WRITE_10(0, 16));
    f->tag--;
    say(f, PDU_FINAL, 0, CDB(0));
    struct pdu pdu = hear_pdu(f);
    assert_int_equal(pdu.opcode, PDU_REJECT);
    assert_int_equal(pdu.detail[0], REJECT_TASK_IN_PROGRESS);
    assert_int_equal(pdu.task_tag, PDU_NO_TAG);
}

/* ---- task management ---- */

static void no_answer_comes_after_an_abort(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL | PDU_WRITE, 8192, WRITE_10(0, 16));
    manage(f, 1, f->tag);
    struct pdu pdu = hear_pdu(f);
    assert_int_equal(pdu.opcode, PDU_TASK_RESPONSE);
    assert_int_equal(pdu.detail[0], 0);
    hear_nothing(f);
    manage(f, 1, f->tag);
    assert_int_equal(hear_pdu(f).detail[0], 1);
}

static void an_abort_is_answered_when_the_task_has_come_home(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL, 0, CDB(0x35));
    struct task *task = session_next_ready(&f->session);
    manage(f, 5, PDU_NO_TAG);
    hear_nothing(f);
    session_executed(&f->session, task);
    assert_int_equal(hear_pdu(f).opcode, PDU_TASK_RESPONSE);
    hear_nothing(f);
}

static void answers_to_task_management(void **state)
{
    static const struct {
        uint8_t function, response;
    } rows[] = {{2, 0}, {3, 5}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 4}, {9, 5}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        manage(f, rows[i].function, PDU_NO_TAG);
        assert_int_equal(hear_pdu(f).detail[0], rows[i].response);
    }
    assert_true(f->session.reset_target);
}

/* ---- task attributes ---- */

enum { ORDERED = 2, HEAD_OF_QUEUE = 3 };

static void ordered_waits_and_is_waited_for(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL, 0, CDB(0x35));
    struct task *older = session_next_ready(&f->session);
    say(f, PDU_FINAL | ORDERED, 0, CDB(0x35));
    uint32_t ordered = f->tag;
    say(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1));
    uint32_t younger = f->tag;
    assert_null(session_next_ready(&f->session));
    hear_nothing(f);
    session_executed(&f->session, older);
    assert_int_equal(hear_pdu(f).task_tag, ordered - 1);
    assert_int_equal(hear_pdu(f).task_tag, ordered);
    assert_int_equal(hear_pdu(f).task_tag, younger);
    hear_nothing(f);
}

static void head_of_queue_waits_for_nobody(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL, 0, CDB(0x35));
    struct task *older = session_next_ready(&f->session);
    say(f, PDU_FINAL | ORDERED, 0, CDB(0x35));
    say(f, PDU_FINAL | PDU_READ | HEAD_OF_QUEUE, 512, READ_10(0, 1));
    assert_int_equal(hear_pdu(f).task_tag, f->tag);
    hear_nothing(f);
    session_executed(&f->session, older);
    hear_pdu(f);
    hear_pdu(f);
    hear_nothing(f);
}

static void a_dormant_task_takes_its_data_and_can_be_aborted(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL, 0, CDB(0x35));
    struct task *older = session_next_ready(&f->session);
    struct pdu write = command(f, PDU_FINAL | PDU_WRITE | ORDERED, 512, WRITE_10(3, 1), 512);
    say_data(f, &write, 0x77);
    uint32_t ordered = f->tag;
    say(f, PDU_FINAL | PDU_READ, 512, READ_10(0, 1));
    uint32_t younger = f->tag;
    hear_nothing(f);
    assert_int_equal(f->volume->data[3 * 512], 0);
    manage(f, 1, ordered);
    assert_int_equal(hear_pdu(f).opcode, PDU_TASK_RESPONSE);
    /* Nobody is ordered any more. */
    assert_int_equal(hear_pdu(f).task_tag, younger);
    session_executed(&f->session, older);
    hear_pdu(f);
    assert_int_equal(f->volume->data[3 * 512], 0);
}

static void a_long_command_gives_others_their_turn(void **state)
{
    struct fixture *f = *state;

    say(f, PDU_FINAL, 0, CDB(0x48, 0x02));
    struct task *sanitize = session_next_ready(&f->session);
    assert_int_equal(scsi_execute(&sanitize->scsi, VOLUME_MAY_WAIT), 0);
    assert_true(sanitize->scsi.unfinished);
    session_executed(&f->session, sanitize);
    assert_ptr_equal(session_next_ready(&f->session), sanitize);
    /* Aborted on its way, it ends, and the operation goes on without it. */
    manage(f, 1, f->tag);
    assert_int_equal(scsi_execute(&sanitize->scsi, VOLUME_MAY_WAIT), 0);
    session_executed(&f->session, sanitize);
    assert_int_equal(hear_pdu(f).opcode, PDU_TASK_RESPONSE);
    hear_nothing(f);
}

/* ---- the rest ---- */

static void nop_is_echoed(void **state)
{
    struct fixture *f = *state;
    struct session_output out;
    uint8_t data[8192];

    request(f, PDU_NOP_OUT, PDU_FINAL, 5, "ping", 4);
    assert_true(hear(f, &out, data));
    assert_int_equal(out.pdu.opcode, PDU_NOP_IN);
    assert_int_equal(out.pdu.task_tag, 5);
    assert_int_equal(out.pdu.words[WORD_TRANSFER_TAG], PDU_NO_TAG);
    assert_memory_equal(data, "ping", 4);
    request(f, PDU_NOP_OUT, PDU_FINAL, PDU_NO_TAG, NULL, 0);
    hear_nothing(f);
}

static void a_flood_of_pings_stops_the_reading(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < SESSION_REPLIES_MAX; i++) {
        assert_false(session_is_full(&f->session));
        request(f, PDU_NOP_OUT, PDU_FINAL, 5, NULL, 0);
    }
    assert_true(session_is_full(&f->session));
}

static void send_targets(void **state)
{
    static const struct {
        bool discovery;
        const char *request;
        bool listed;
    } rows[] = {
        {true, "SendTargets=All", true},         {true, "SendTargets=iqn.target", true},
        {true, "SendTargets=iqn.nobody", false}, {true, "SendTargets=", false},
        {false, "SendTargets=", true},           {false, "SendTargets=All", false},
        {false, "SendTargets=iqn.target", true},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct session_output out;
        uint8_t data[8192];
        f->session.parameters.discovery = rows[i].discovery;
        COPY_STRING(f->session.visible_target, "iqn.target");
        text_free(&f->session.targets);
        f->session.targets = text_with_max(1024);
        iscsi_text_put(&f->session.targets, "TargetName", "iqn.target");
        request(f, PDU_TEXT_REQUEST, PDU_FINAL, 3, rows[i].request, strlen(rows[i].request) + 1);
        assert_true(hear(f, &out, data));
        assert_int_equal(out.pdu.opcode, PDU_TEXT_RESPONSE);
        assert_int_equal(out.pdu.flags, PDU_FINAL);
        assert_int_equal(out.pdu.data_bytes > 0, rows[i].listed);
    }
}

static void a_long_answer_is_continued(void **state)
{
    struct fixture *f = *state;
    struct session_output out;
    uint8_t data[8192];
    size_t total = 0;

    f->session.parameters.discovery = true;
    f->session.parameters.peer_max_recv_bytes = 512;
    for (int i = 0; i < 20; i++)
        iscsi_text_put(&f->session.targets, "TargetName",
                       "iqn.2026-11.internal.farboot:root:dc-a6-32-00-00-01");
    request(f, PDU_TEXT_REQUEST, PDU_FINAL, 3, "SendTargets=All", 16);
    assert_true(hear(f, &out, data));
    while (out.pdu.flags == PDU_CONTINUE) {
        total += out.pdu.data_bytes;
        struct pdu more = {.opcode = PDU_TEXT_REQUEST, .immediate = true, .flags = PDU_FINAL, .task_tag = 3};
        more.words[WORD_TRANSFER_TAG] = out.pdu.words[WORD_TRANSFER_TAG];
        more.words[WORD_CMD_SN] = f->cmd_sn;
        session_request(&f->session, &more, NULL);
        assert_true(hear(f, &out, data));
    }
    assert_int_equal(out.pdu.words[WORD_TRANSFER_TAG], PDU_NO_TAG);
    assert_int_equal(total + out.pdu.data_bytes, f->session.targets.length_bytes);
}

static void logout_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    struct session_output out;

    say(f, PDU_FINAL | PDU_WRITE, 8192, WRITE_10(0, 16));
    request(f, PDU_LOGOUT_REQUEST, PDU_FINAL, 8, NULL, 0);
    assert_true(session_next(&f->session, &out));
    assert_int_equal(out.pdu.opcode, PDU_LOGOUT_RESPONSE);
    assert_true(session_sent(&f->session, &out));
    hear_nothing(f);
}

static void what_nobody_knows_is_rejected(void **state)
{
    struct fixture *f = *state;
    struct session_output out;
    uint8_t data[8192];

    assert_int_equal(request(f, 0x1c, PDU_FINAL, 8, NULL, 0), SESSION_GOES_ON);
    assert_true(hear(f, &out, data));
    assert_int_equal(out.pdu.opcode, PDU_REJECT);
    assert_int_equal(out.pdu.data_bytes, 48);
    assert_int_equal(data[0] & 0x3f, 0x1c);
    assert_int_equal(request(f, PDU_LOGIN_REQUEST, PDU_FINAL, 8, NULL, 0), SESSION_BROKEN);
}

#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SESSION(a_short_read_is_one_pdu_with_its_status),
        WITH_SESSION(a_long_read_is_cut_at_segments_and_bursts),
        WITH_SESSION(segments_that_are_no_sectors_are_rounded),
        WITH_SESSION(a_short_read_does_not_wait_for_a_long_one),
        WITH_SESSION(a_page_does_not_wait_for_a_stream),
        WITH_SESSION(a_stream_is_not_kept_waiting_for_ever),
        WITH_SESSION(reads_that_workers_bring_are_bounded),
        WITH_SESSION(without_memory_for_any_piece_a_read_is_to_be_tried_later),
        WITH_SESSION(a_read_that_fails_half_way_ends_with_its_status),
        WITH_SESSION(a_read_may_be_done_elsewhere),
        WITH_SESSION(residuals),
        WITH_SESSION(immediate_data_needs_no_round_trip),
        WITH_SESSION(immediate_then_unsolicited_then_asked_for),
        WITH_SESSION(data_that_breaks_the_rules_fails_the_command),
        WITH_SESSION(unsolicited_data_against_the_agreement),
        WITH_SESSION(more_data_than_the_cdb_wants_is_not_written),
        WITH_SESSION(data_beyond_the_memory_is_refused_not_kept),
        WITH_SESSION(what_all_sessions_keep_is_counted_together),
        WITH_SESSION(commands_outside_the_window_are_ignored),
        WITH_SESSION(a_gap_ends_the_session),
        WITH_SESSION(the_window_closes_and_opens_again),
        WITH_SESSION(immediate_commands_use_no_number_and_are_bounded),
        WITH_SESSION(a_tag_in_use_is_rejected),
        WITH_SESSION(no_answer_comes_after_an_abort),
        WITH_SESSION(an_abort_is_answered_when_the_task_has_come_home),
        WITH_SESSION(answers_to_task_management),
        WITH_SESSION(ordered_waits_and_is_waited_for),
        WITH_SESSION(head_of_queue_waits_for_nobody),
        WITH_SESSION(a_dormant_task_takes_its_data_and_can_be_aborted),
        WITH_SESSION(a_long_command_gives_others_their_turn),
        WITH_SESSION(nop_is_echoed),
        WITH_SESSION(a_flood_of_pings_stops_the_reading),
        WITH_SESSION(send_targets),
        WITH_SESSION(a_long_answer_is_continued),
        WITH_SESSION(logout_ends_the_connection),
        WITH_SESSION(what_nobody_knows_is_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
