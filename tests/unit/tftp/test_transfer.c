#include "../test.h"

#include "tftp/transfer.h"

enum { MTU = 1500 };

/* ---- a client's side of a conversation ---- */

static struct tftp_request asking(const struct tftp_options options)
{
    return (struct tftp_request){.path = "x", .mode = TFTP_MODE_OCTET, .options = options, .length_bytes = 40};
}

static struct tftp_transfer begin(const struct tftp_options options, uint64_t size_bytes)
{
    struct tftp_request request = asking(options);
    struct tftp_transfer t;

    tftp_transfer_begin(&t, &request, size_bytes, MTU, 0);
    return t;
}

static void ack_at(struct tftp_transfer *t, uint16_t block, uint64_t now_ms)
{
    const uint8_t packet[] = {0, TFTP_OPCODE_ACK, (uint8_t)(block >> 8), (uint8_t)block};

    tftp_transfer_receive(t, packet, sizeof(packet), now_ms);
}

static void ack(struct tftp_transfer *t, uint16_t block)
{
    ack_at(t, block, 0);
}

static void error(struct tftp_transfer *t, uint8_t code, const char *text)
{
    uint8_t packet[100] = {0, TFTP_OPCODE_ERROR, 0, code};

    memcpy(packet + 4, text, strlen(text));
    tftp_transfer_receive(t, packet, 5 + strlen(text), 0);
}

static void expect_at(struct tftp_transfer *t, uint64_t now_ms, enum tftp_step step, uint64_t number,
                      uint32_t length)
{
    struct tftp_block block = {0};

    assert_int_equal(tftp_transfer_next(t, now_ms, &block), step);
    if (step != TFTP_STEP_DATA)
        return;
    assert_int_equal(block.number, number);
    assert_int_equal(block.offset, (number - 1) * t->blksize);
    assert_int_equal(block.length_bytes, length);
}

static void expect_data(struct tftp_transfer *t, uint64_t number, uint32_t length)
{
    expect_at(t, 0, TFTP_STEP_DATA, number, length);
}

static void expect(struct tftp_transfer *t, enum tftp_step step)
{
    expect_at(t, 0, step, 0, 0);
}

/* ---- tests ---- */

static void without_options(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 1000);

    expect_data(&t, 1, 512);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 1);
    expect_data(&t, 2, 488);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 2);
    expect(&t, TFTP_STEP_END);
    assert_int_equal(t.outcome, TFTP_SENT);
    assert_int_equal(t.resends_total, 0);
}

static void a_full_last_block_is_followed_by_an_empty_one(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 512);
    struct tftp_transfer empty = begin((struct tftp_options){0}, 0);

    expect_data(&t, 1, 512);
    ack(&t, 1);
    expect_data(&t, 2, 0);
    ack(&t, 2);
    assert_int_equal(t.outcome, TFTP_SENT);

    expect_data(&empty, 1, 0);
    ack(&empty, 1);
    assert_int_equal(empty.outcome, TFTP_SENT);
}

static void options_are_granted_as_asked_or_less(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_blksize = true, .blksize = 1468}, 10);
    struct tftp_request text = asking((struct tftp_options){.has_tsize = true});

    assert_true(t.granted.has_blksize);
    assert_int_equal(t.granted.blksize, 1468);
    assert_false(t.granted.has_tsize || t.granted.has_timeout || t.granted.has_windowsize);

    t = begin((struct tftp_options){.has_blksize = true, .blksize = 65464}, 10);
    assert_int_equal(t.granted.blksize, MTU - 32);
    t = begin((struct tftp_options){.has_tsize = true, .has_windowsize = true, .windowsize = 65535}, 12345);
    assert_int_equal(t.granted.tsize, 12345);
    assert_int_equal(t.granted.windowsize, TFTP_WINDOWSIZE_MAX);
    t = begin((struct tftp_options){.has_timeout = true, .timeout = 5}, 10);
    assert_int_equal(t.granted.timeout, 5);
    t = begin((struct tftp_options){.has_timeout = true, .timeout = 255}, 10);
    assert_false(t.granted.has_timeout);
    expect_data(&t, 1, 10);

    text.mode = TFTP_MODE_NETASCII;
    tftp_transfer_begin(&t, &text, 10, MTU, 0);
    assert_false(t.granted.has_tsize);
    expect_data(&t, 1, 10);
}

static void an_oack_waits_for_ack_0(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_tsize = true}, 10);

    expect(&t, TFTP_STEP_OACK);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 1);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 0);
    expect_data(&t, 1, 10);
    /* A second ACK 0 is a duplicate. */
    ack(&t, 0);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 1);
    assert_int_equal(t.outcome, TFTP_SENT);
}

static void a_lost_oack_is_sent_again(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_tsize = true}, 10);

    expect(&t, TFTP_STEP_OACK);
    expect(&t, TFTP_STEP_WAIT);
    tftp_transfer_timeout(&t, 999);
    expect_at(&t, 999, TFTP_STEP_WAIT, 0, 0);
    tftp_transfer_timeout(&t, 1000);
    expect_at(&t, 1000, TFTP_STEP_OACK, 0, 0);
    ack_at(&t, 0, 1001);
    expect_at(&t, 1001, TFTP_STEP_DATA, 1, 10);
}

static void duplicates_never_make_duplicates(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 5000);

    expect_data(&t, 1, 512);
    ack(&t, 1);
    expect_data(&t, 2, 512);
    for (int i = 0; i < 5; i++) {
        ack(&t, 1);
        expect(&t, TFTP_STEP_WAIT);
    }
    ack(&t, 2);
    expect_data(&t, 3, 512);
    /* Acknowledgements of blocks never sent, or long past. */
    ack(&t, 4);
    ack(&t, 1);
    ack(&t, 0);
    ack(&t, 40000);
    expect(&t, TFTP_STEP_WAIT);
    assert_int_equal(t.acked, 2);
    assert_int_equal(t.resends_total, 0);
}

static void a_lost_block_comes_again_after_a_real_timeout(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 2000);
    uint64_t now_ms = 0;

    expect_data(&t, 1, 512);
    ack(&t, 1);
    expect_data(&t, 2, 512);
    expect(&t, TFTP_STEP_WAIT);
    /* The first block was answered at once: 0.2 s, then twice as long each time. */
    for (uint64_t wait_ms = 200; wait_ms <= 800; wait_ms *= 2) {
        assert_int_equal(t.deadline_ms, now_ms + wait_ms);
        tftp_transfer_timeout(&t, now_ms + wait_ms - 1);
        expect_at(&t, now_ms + wait_ms - 1, TFTP_STEP_WAIT, 0, 0);
        now_ms += wait_ms;
        tftp_transfer_timeout(&t, now_ms);
        expect_at(&t, now_ms, TFTP_STEP_DATA, 2, 512);
        expect_at(&t, now_ms, TFTP_STEP_WAIT, 0, 0);
    }
    /* Which of the four was answered, nobody knows; the next answer is to one packet, and patience is new. */
    ack_at(&t, 2, now_ms);
    expect_at(&t, now_ms, TFTP_STEP_DATA, 3, 512);
    expect_at(&t, now_ms, TFTP_STEP_WAIT, 0, 0);
    assert_int_equal(t.deadline_ms, now_ms + 1600);
    assert_int_equal(t.resends_total, 3);
    ack_at(&t, 3, now_ms + 1);
    expect_at(&t, now_ms + 1, TFTP_STEP_DATA, 4, 464);
    expect_at(&t, now_ms + 1, TFTP_STEP_WAIT, 0, 0);
    assert_int_equal(t.deadline_ms, now_ms + 1 + 200);
}

/* Whoever needs `answer_ms` for each block gets none twice, but for the very first before that is known. */
static void who_is_slow_gets_nothing_twice(void **state)
{
    static const uint64_t answers_ms[] = {1, 150, 900, 1500, 3000};

    for (size_t i = 0; i < ARRAY_SIZE(answers_ms); i++) {
        struct tftp_transfer t = begin((struct tftp_options){0}, 512 * 100);
        struct tftp_block block;
        uint64_t now_ms = 0;
        unsigned sends = 0;
        for (uint64_t number = 1; number <= 101; number++) {
            uint64_t answer_at = now_ms + answers_ms[i] + number % 3 * answers_ms[i] / 4;
            while (tftp_transfer_next(&t, now_ms, &block) == TFTP_STEP_DATA)
                sends++;
            while (t.deadline_ms < answer_at) {
                now_ms = t.deadline_ms;
                tftp_transfer_timeout(&t, now_ms);
                while (tftp_transfer_next(&t, now_ms, &block) == TFTP_STEP_DATA)
                    sends++;
            }
            now_ms = answer_at;
            ack_at(&t, (uint16_t)number, now_ms);
        }
        assert_int_equal(t.outcome, TFTP_SENT);
        assert_in_range(sends, 101, 103);
        assert_int_equal(sends - 101, t.resends_total);
    }
}

/* On a quick network a lost block costs a fifth of a second, and the next one no more. */
static void a_loss_costs_little(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 512 * 1000);
    struct tftp_block block;
    uint64_t now_ms = 0;

    for (uint64_t number = 1; number <= 1001; number++) {
        while (tftp_transfer_next(&t, now_ms, &block) == TFTP_STEP_DATA)
            ;
        if (number % 100 == 0) {
            now_ms = t.deadline_ms;
            tftp_transfer_timeout(&t, now_ms);
            expect_at(&t, now_ms, TFTP_STEP_DATA, number, 512);
        }
        ack_at(&t, (uint16_t)number, ++now_ms);
    }
    assert_int_equal(t.outcome, TFTP_SENT);
    assert_in_range(now_ms, 1001 + 10 * 200, 1001 + 10 * 210);
}

/* A client that stops for a moment now and then, to write what it has, is given that moment. */
static void a_pause_is_remembered(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 512 * 1000);

    expect_data(&t, 1, 512);
    expect(&t, TFTP_STEP_WAIT);
    ack_at(&t, 1, 700);
    for (uint64_t number = 2; number <= 60; number++) {
        expect_at(&t, 700, TFTP_STEP_DATA, number, 512);
        ack_at(&t, (uint16_t)number, 700);
    }
    expect_at(&t, 700, TFTP_STEP_DATA, 61, 512);
    expect_at(&t, 700, TFTP_STEP_WAIT, 0, 0);
    assert_true(t.deadline_ms > 700 + 1000);
}

static unsigned count_sends_until_end(struct tftp_transfer *t, uint64_t now_ms)
{
    struct tftp_block block;
    unsigned sends = 0;

    for (;;) {
        switch (tftp_transfer_next(t, now_ms, &block)) {
        case TFTP_STEP_END:
            return sends;
        case TFTP_STEP_WAIT:
            now_ms = t->deadline_ms;
            tftp_transfer_timeout(t, now_ms);
            break;
        default:
            sends++;
        }
        assert_true(sends < 100);
    }
}

static void silence_is_met_with_few_packets(void **state)
{
    struct tftp_transfer forged = begin((struct tftp_options){0}, 100000);
    struct tftp_transfer forged_window =
        begin((struct tftp_options){.has_windowsize = true, .windowsize = 64}, 100000);
    struct tftp_transfer lost = begin((struct tftp_options){0}, 100000);

    assert_int_equal(count_sends_until_end(&forged, 0), 1);
    assert_int_equal(forged.outcome, TFTP_TIMED_OUT);
    /* No window before the first ACK: only the OACK. */
    assert_int_equal(count_sends_until_end(&forged_window, 0), 1 + TFTP_RESENDS_UNHEARD_MAX);
    assert_int_equal(forged_window.outcome, TFTP_TIMED_OUT);

    expect_data(&lost, 1, 512);
    ack(&lost, 1);
    assert_int_equal(count_sends_until_end(&lost, 0), 1 + TFTP_RESENDS_MAX);
    assert_int_equal(lost.outcome, TFTP_TIMED_OUT);
}

/* Once more for each request that comes, but not for an echo of one. */
static void a_repeated_request_is_answered(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 100000);

    expect_data(&t, 1, 512);
    expect(&t, TFTP_STEP_WAIT);
    tftp_transfer_asked_again(&t, 40, 1);
    expect_at(&t, 1, TFTP_STEP_WAIT, 0, 0);
    tftp_transfer_asked_again(&t, 40, 2000);
    expect_at(&t, 2000, TFTP_STEP_DATA, 1, 512);
    ack_at(&t, 1, 2001);
    expect_at(&t, 2001, TFTP_STEP_DATA, 2, 512);
    tftp_transfer_asked_again(&t, 40, 9000);
    expect_at(&t, 9000, TFTP_STEP_WAIT, 0, 0);
    assert_int_equal(t.resends_total, 1);
}

static void a_last_ack_that_never_comes_is_no_failure(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 600);

    expect_data(&t, 1, 512);
    ack(&t, 1);
    assert_int_equal(count_sends_until_end(&t, 0), 1 + TFTP_RESENDS_LAST_MAX);
    assert_int_equal(t.outcome, TFTP_SENT);
}

static void the_timeout_a_client_asks_for_is_kept(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_timeout = true, .timeout = 10}, 600);

    expect(&t, TFTP_STEP_OACK);
    expect(&t, TFTP_STEP_WAIT);
    assert_int_equal(t.deadline_ms, 10000);
    tftp_transfer_timeout(&t, 10000);
    expect_at(&t, 10000, TFTP_STEP_OACK, 0, 0);
    expect_at(&t, 10000, TFTP_STEP_WAIT, 0, 0);
    assert_int_equal(t.deadline_ms, 20000);
}

static void a_slow_disk_is_not_the_clients_silence(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 600);

    expect_at(&t, 0, TFTP_STEP_DATA, 1, 512);
    /* Reading took five seconds before the block went out. */
    expect_at(&t, 5000, TFTP_STEP_WAIT, 0, 0);
    tftp_transfer_timeout(&t, 5500);
    expect_at(&t, 5500, TFTP_STEP_WAIT, 0, 0);
    assert_int_equal(t.deadline_ms, 6000);
}

static void windows(void **state)
{
    struct tftp_transfer t =
        begin((struct tftp_options){.has_windowsize = true, .windowsize = 4}, 512 * 9 + 1);

    expect(&t, TFTP_STEP_OACK);
    ack(&t, 0);
    for (uint64_t block = 1; block <= 4; block++)
        expect_data(&t, block, 512);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 4);
    for (uint64_t block = 5; block <= 8; block++)
        expect_data(&t, block, 512);
    /* Block 7 was lost: go on from there. */
    ack(&t, 6);
    for (uint64_t block = 7; block <= 9; block++)
        expect_data(&t, block, 512);
    expect_data(&t, 10, 1);
    expect(&t, TFTP_STEP_WAIT);
    /* Late news about what is settled. */
    ack(&t, 5);
    expect(&t, TFTP_STEP_WAIT);
    ack(&t, 10);
    expect(&t, TFTP_STEP_END);
    assert_int_equal(t.outcome, TFTP_SENT);
}

static void a_lost_first_block_of_a_window(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_windowsize = true, .windowsize = 2}, 5120);

    expect(&t, TFTP_STEP_OACK);
    ack(&t, 0);
    expect_data(&t, 1, 512);
    expect_data(&t, 2, 512);
    ack_at(&t, 2, 10);
    expect_at(&t, 10, TFTP_STEP_DATA, 3, 512);
    expect_at(&t, 10, TFTP_STEP_DATA, 4, 512);
    ack_at(&t, 2, 20);
    expect_at(&t, 20, TFTP_STEP_DATA, 3, 512);
    expect_at(&t, 20, TFTP_STEP_DATA, 4, 512);
    /* Said again at once it may be an echo, and is not believed. */
    ack_at(&t, 2, 30);
    expect_at(&t, 30, TFTP_STEP_WAIT, 0, 0);
}

/* A network that delivers everything twice: no window may go out twice for it, but for one in a second. */
static void a_doubling_network_does_not_double_the_file(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_windowsize = true, .windowsize = 4}, 512 * 400);
    struct tftp_block block;
    unsigned sends = 0;

    expect(&t, TFTP_STEP_OACK);
    ack(&t, 0);
    while (t.outcome == TFTP_RUNNING) {
        uint64_t last = 0;
        while (tftp_transfer_next(&t, 0, &block) == TFTP_STEP_DATA) {
            last = block.number;
            sends++;
        }
        assert_true(last > 0);
        ack_at(&t, (uint16_t)last, 1);
        ack_at(&t, (uint16_t)last, 1);
    }
    assert_int_equal(t.outcome, TFTP_SENT);
    assert_true(sends <= 401 + 4);
}

static void a_window_comes_again_after_a_timeout(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){.has_windowsize = true, .windowsize = 3}, 51200);

    expect(&t, TFTP_STEP_OACK);
    ack(&t, 0);
    for (uint64_t block = 1; block <= 3; block++)
        expect_data(&t, block, 512);
    expect(&t, TFTP_STEP_WAIT);
    tftp_transfer_timeout(&t, 1000);
    for (uint64_t block = 1; block <= 3; block++)
        expect_at(&t, 1000, TFTP_STEP_DATA, block, 512);
    expect_at(&t, 1000, TFTP_STEP_WAIT, 0, 0);
}

static void seventy_thousand_blocks(void **state)
{
    const uint64_t blocks = 70000;
    struct tftp_transfer t = begin((struct tftp_options){0}, (blocks - 1) * 512 + 100);

    assert_true(tftp_transfer_rolls_over(&t));
    for (uint64_t block = 1; block <= blocks; block++) {
        expect_data(&t, block, block < blocks ? 512 : 100);
        expect(&t, TFTP_STEP_WAIT);
        ack(&t, (uint16_t)block);
    }
    expect(&t, TFTP_STEP_END);
    assert_int_equal(t.outcome, TFTP_SENT);

    t = begin((struct tftp_options){0}, 65535 * 512 - 1);
    assert_false(tftp_transfer_rolls_over(&t));
}

static void windows_across_the_rollover(void **state)
{
    const uint64_t blocks = 70000;
    struct tftp_transfer t =
        begin((struct tftp_options){.has_windowsize = true, .windowsize = 64}, (blocks - 1) * 512);
    struct tftp_block block;
    uint64_t sends = 0;

    expect(&t, TFTP_STEP_OACK);
    ack(&t, 0);
    while (t.outcome == TFTP_RUNNING) {
        uint64_t last = 0;
        while (tftp_transfer_next(&t, 0, &block) == TFTP_STEP_DATA) {
            last = block.number;
            sends++;
        }
        /* The last block of every window near the rollover is lost. */
        if (last > 65400 && last < 65700 && last - t.acked > 1)
            last--;
        ack(&t, (uint16_t)last);
    }
    assert_int_equal(t.outcome, TFTP_SENT);
    assert_true(sends >= blocks && sends < blocks + 20);
}

static void a_probe_is_no_failure(void **state)
{
    struct tftp_transfer oack = begin((struct tftp_options){.has_tsize = true}, 10);
    struct tftp_transfer data = begin((struct tftp_options){0}, 10);
    struct tftp_transfer options = begin((struct tftp_options){.has_tsize = true}, 10);

    expect(&oack, TFTP_STEP_OACK);
    error(&oack, 0, "Early terminate");
    expect(&oack, TFTP_STEP_END);
    assert_int_equal(oack.outcome, TFTP_PROBED);

    expect_data(&data, 1, 10);
    error(&data, 0, "");
    assert_int_equal(data.outcome, TFTP_PROBED);

    expect(&options, TFTP_STEP_OACK);
    error(&options, 8, "TFTP Aborted");
    assert_int_equal(options.outcome, TFTP_PROBED);
}

static void a_client_may_give_up(void **state)
{
    struct tftp_transfer t = begin((struct tftp_options){0}, 5000);

    expect_data(&t, 1, 512);
    ack(&t, 1);
    expect_data(&t, 2, 512);
    error(&t, 0, "Early\x1b terminate");
    assert_int_equal(t.outcome, TFTP_ABORTED);
    assert_string_equal(t.error_text, "Early\\x1b terminate");
    expect(&t, TFTP_STEP_END);
    /* What comes later changes nothing. */
    ack(&t, 2);
    tftp_transfer_timeout(&t, 100000);
    expect(&t, TFTP_STEP_END);
    assert_int_equal(t.outcome, TFTP_ABORTED);
}

static void a_closed_port_ends_it(void **state)
{
    struct tftp_transfer probed = begin((struct tftp_options){0}, 5000);
    struct tftp_transfer cut = begin((struct tftp_options){0}, 5000);
    struct tftp_transfer done = begin((struct tftp_options){0}, 600);

    expect_data(&probed, 1, 512);
    tftp_transfer_gone(&probed);
    assert_int_equal(probed.outcome, TFTP_PROBED);

    expect_data(&cut, 1, 512);
    ack(&cut, 1);
    expect_data(&cut, 2, 512);
    tftp_transfer_gone(&cut);
    assert_int_equal(cut.outcome, TFTP_ABORTED);

    expect_data(&done, 1, 512);
    ack(&done, 1);
    expect_data(&done, 2, 88);
    tftp_transfer_gone(&done);
    assert_int_equal(done.outcome, TFTP_SENT);
}

/* Any mixture of loss, repetition and disorder: the client ends with the file, or the server ends in time. */
static void a_bad_network(void **state)
{
    for (unsigned seed = 1; seed <= 200; seed++) {
        uint32_t random = seed * 2654435761u;
        uint32_t windowsize = 1 + seed % 8;
        struct tftp_transfer t =
            begin((struct tftp_options){.has_windowsize = true, .windowsize = windowsize}, 512 * 100 + 7);
        struct tftp_block block;
        uint64_t now_ms = 0;
        uint64_t have = 0; /* the client's last block in order */
        uint16_t old_ack = 0;
        bool opened = false;

        while (t.outcome == TFTP_RUNNING) {
            enum tftp_step step;
            uint64_t since_ack = 0;
            while ((step = tftp_transfer_next(&t, now_ms, &block)) == TFTP_STEP_DATA ||
                   step == TFTP_STEP_OACK) {
                random = random * 1664525 + 1013904223;
                bool lost = (random >> 16) % 10 == 0;
                if (lost)
                    continue;
                if (step == TFTP_STEP_OACK)
                    opened = true;
                else if (block.number == have + 1)
                    have++, since_ack++;
            }
            random = random * 1664525 + 1013904223;
            unsigned what = (random >> 16) % 10;
            now_ms++;
            if (what == 0 || !opened) {
                now_ms = t.deadline_ms;
                tftp_transfer_timeout(&t, now_ms);
            } else {
                if (what == 1)
                    ack_at(&t, old_ack, now_ms);
                ack_at(&t, (uint16_t)have, now_ms);
                if (what == 2)
                    ack_at(&t, (uint16_t)have, now_ms);
                old_ack = (uint16_t)have;
                if (since_ack == 0) {
                    now_ms = MAX(now_ms, t.deadline_ms);
                    tftp_transfer_timeout(&t, now_ms);
                }
            }
            assert_true(t.acked <= have);
            assert_true(now_ms < 1000 * 1000);
        }
        if (t.outcome == TFTP_SENT)
            assert_true(have >= t.last_block - windowsize);
        else
            assert_int_equal(t.outcome, TFTP_TIMED_OUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options),
        cmocka_unit_test(a_full_last_block_is_followed_by_an_empty_one),
        cmocka_unit_test(options_are_granted_as_asked_or_less),
        cmocka_unit_test(an_oack_waits_for_ack_0),
        cmocka_unit_test(a_lost_oack_is_sent_again),
        cmocka_unit_test(duplicates_never_make_duplicates),
        cmocka_unit_test(a_lost_block_comes_again_after_a_real_timeout),
        cmocka_unit_test(silence_is_met_with_few_packets),
        cmocka_unit_test(a_last_ack_that_never_comes_is_no_failure),
        cmocka_unit_test(the_timeout_a_client_asks_for_is_kept),
        cmocka_unit_test(a_slow_disk_is_not_the_clients_silence),
        cmocka_unit_test(windows),
        cmocka_unit_test(a_lost_first_block_of_a_window),
        cmocka_unit_test(a_doubling_network_does_not_double_the_file),
        cmocka_unit_test(who_is_slow_gets_nothing_twice),
        cmocka_unit_test(a_loss_costs_little),
        cmocka_unit_test(a_pause_is_remembered),
        cmocka_unit_test(a_repeated_request_is_answered),
        cmocka_unit_test(a_window_comes_again_after_a_timeout),
        cmocka_unit_test(seventy_thousand_blocks),
        cmocka_unit_test(windows_across_the_rollover),
        cmocka_unit_test(a_probe_is_no_failure),
        cmocka_unit_test(a_client_may_give_up),
        cmocka_unit_test(a_closed_port_ends_it),
        cmocka_unit_test(a_bad_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
