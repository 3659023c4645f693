/*
 * Plays what firmware asks for by TFTP (tests/transcripts/tftp) against the engines: whose path it is, and what is sent.
 *
 *   machine NAME MAC SERIAL        who sits at the client's address
 *   file PATH BYTES                what its boot partition holds
 *   PATH OPTION... = END           a request, with options as NAME=VALUE, and how it ends:
 *
 *     probe      the client stops after the first packet     all      it takes the whole file
 *     missing    ERROR 1 at once                             rolls    the whole file, whose block numbers begin anew
 *     cut N      it gives up after block N                   silent   it never answers
 */
#include "../test.h"

#include "base/bytes.h"
#include "fleet/boot_plan.h"
#include "tftp/transfer.h"

#include <dirent.h>
#include <stdio.h>

enum { FILES_MAX = 32, LINE_MAX_BYTES = 256, MTU = 1500, CLIENT = 0x0a000032 };

struct play {
    const char *name;
    struct machine machine;
    struct {
        char path[BOOT_PATH_SIZE];
        uint64_t size_bytes;
    } files[FILES_MAX];
    size_t file_count;
    struct tftp_request request;
    struct tftp_transfer transfer;
    unsigned requests;
};

static const struct machine *by_mac(void *arg, const struct mac *mac)
{
    struct play *play = arg;

    return mac_equal(mac, &play->machine.mac) ? &play->machine : NULL;
}

static const struct machine *by_serial(void *arg, uint32_t serial)
{
    struct play *play = arg;

    return serial == play->machine.serial ? &play->machine : NULL;
}

static const struct machine *by_address(void *arg, uint32_t address)
{
    return NULL;
}

/* ---- one request ---- */

static void decode_request(struct play *play, char *line)
{
    uint8_t packet[512];
    struct writer w = writer_over(packet, sizeof(packet));
    char *rest = line, *word = strsep(&rest, " ");

    writer_be16(&w, TFTP_OPCODE_RRQ);
    writer_cstring(&w, word);
    writer_cstring(&w, "octet");
    while ((word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        writer_cstring(&w, word);
        writer_cstring(&w, equals + 1);
    }
    assert_int_equal(tftp_decode_request(packet, w.offset, &play->request), TFTP_REQUEST_READ);
}

static bool find_size(const struct play *play, const char *path, uint64_t *size_bytes)
{
    for (size_t i = 0; i < play->file_count; i++) {
        if (strcmp(play->files[i].path, path) == 0) {
            *size_bytes = play->files[i].size_bytes;
            return true;
        }
    }
    return false;
}

static void answer(struct play *play, uint16_t opcode, uint16_t number, const char *text)
{
    uint8_t packet[64];
    struct writer w = writer_over(packet, sizeof(packet));

    writer_be16(&w, opcode);
    writer_be16(&w, number);
    if (opcode == TFTP_OPCODE_ERROR)
        writer_cstring(&w, text);
    tftp_transfer_receive(&play->transfer, packet, w.offset, 1);
}

/* The first packet: an OACK with what was asked for and nothing else, or block 1. */
static enum tftp_step expect_first(struct play *play, struct tftp_block *block)
{
    const struct tftp_options *asked = &play->request.options, *granted = &play->transfer.granted;
    enum tftp_step step = tftp_transfer_next(&play->transfer, 0, block);
    bool any = asked->has_blksize || asked->has_tsize || asked->has_timeout || asked->has_windowsize;

    assert_int_equal(step, any ? TFTP_STEP_OACK : TFTP_STEP_DATA);
    assert_int_equal(granted->has_blksize, asked->has_blksize);
    assert_int_equal(granted->has_tsize, asked->has_tsize);
    assert_int_equal(granted->has_windowsize, asked->has_windowsize);
    if (asked->has_blksize)
        assert_int_equal(play->transfer.blksize, asked->blksize);
    if (asked->has_tsize)
        assert_int_equal(granted->tsize, play->transfer.size_bytes);
    return step;
}

/* Every block once and in order, up to `last`, or to the end of the file when that is 0. */
static void take_blocks(struct play *play, enum tftp_step first, struct tftp_block block, uint64_t last)
{
    uint64_t have = 0, bytes = 0;

    if (first == TFTP_STEP_OACK)
        answer(play, TFTP_OPCODE_ACK, 0, NULL);
    else
        have = 1, bytes = block.length_bytes, answer(play, TFTP_OPCODE_ACK, 1, NULL);
    while ((!last || have < last) && tftp_transfer_next(&play->transfer, 1, &block) == TFTP_STEP_DATA) {
        assert_int_equal(block.number, ++have);
        bytes += block.length_bytes;
        answer(play, TFTP_OPCODE_ACK, (uint16_t)have, NULL);
    }
    if (!last)
        assert_int_equal(bytes, play->transfer.size_bytes);
    assert_int_equal(play->transfer.resends_total, 0);
}

static void stay_silent(struct play *play)
{
    struct tftp_transfer *t = &play->transfer;
    struct tftp_block block;
    uint64_t now_ms = 0;
    enum tftp_step step;

    while ((step = tftp_transfer_next(t, now_ms, &block)) != TFTP_STEP_END) {
        if (step != TFTP_STEP_WAIT)
            continue;
        now_ms = t->deadline_ms;
        tftp_transfer_timeout(t, now_ms);
    }
    assert_int_equal(t->outcome, TFTP_TIMED_OUT);
    assert_true(t->unheard_bytes <= TFTP_UNHEARD_FACTOR * t->received_bytes || t->resends_total == 0);
}

static void expect_end(struct play *play, const char *end)
{
    struct tftp_block block = {0};
    unsigned last;

    if (strcmp(end, "silent") == 0) {
        stay_silent(play);
        return;
    }
    enum tftp_step first = expect_first(play, &block);
    if (strcmp(end, "probe") == 0) {
        answer(play, TFTP_OPCODE_ERROR, 0, "Early terminate");
        assert_int_equal(play->transfer.outcome, TFTP_PROBED);
    } else if (sscanf(end, "cut %u", &last) == 1) {
        take_blocks(play, first, block, last);
        answer(play, TFTP_OPCODE_ERROR, 0, "Early terminate");
        assert_int_equal(play->transfer.outcome, TFTP_ABORTED);
    } else {
        take_blocks(play, first, block, 0);
        assert_int_equal(play->transfer.outcome, TFTP_SENT);
        assert_int_equal(tftp_transfer_rolls_over(&play->transfer), strcmp(end, "rolls") == 0);
    }
}

static void take_request(struct play *play, char *line)
{
    const struct boot_asker asker = {.address = CLIENT, .mac_known = true, .mac = play->machine.mac};
    const struct boot_lookup lookup = {by_mac, by_serial, by_address, play};
    char *end = strstr(line, " = ");
    uint64_t size_bytes = 0;

    assert_non_null(end);
    *end = '\0';
    end += 3;
    decode_request(play, line);
    struct boot_plan plan = boot_plan_decide(play->request.path, strlen(play->request.path), &asker, &lookup);
    bool found = plan.machine && plan.kind < BOOT_PLAN_NOT_FOUND && find_size(play, plan.path, &size_bytes);
    play->requests++;
    if (found == (strcmp(end, "missing") == 0))
        fail_msg("%s: %s: %sfound (%s)", play->name, line, found ? "" : "not ", plan.reason);
    if (!found)
        return;
    tftp_transfer_begin(&play->transfer, &play->request, size_bytes, MTU, 0);
    expect_end(play, end);
}

/* ---- files of dialogues ---- */

static void take_line(struct play *play, char *line)
{
    char mac[MAC_TEXT_SIZE] = "", path[BOOT_PATH_SIZE];
    unsigned long long size_bytes;

    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0')
        return;
    if (sscanf(line, "machine %63s %17s %x", play->machine.name, mac, &play->machine.serial) == 3) {
        assert_true(mac_parse(mac, &play->machine.mac));
        play->machine.id = 1;
    } else if (sscanf(line, "file %511s %llu", path, &size_bytes) == 2) {
        assert_true(play->file_count < FILES_MAX);
        COPY_STRING(play->files[play->file_count].path, path);
        play->files[play->file_count++].size_bytes = size_bytes;
    } else {
        take_request(play, line);
    }
}

static const char *folder;

static void every_dialogue_ends_as_it_says(void **state)
{
    DIR *open_folder = opendir(folder);
    struct dirent *entry;
    unsigned count = 0;

    assert_non_null(open_folder);
    while ((entry = readdir(open_folder))) {
        if (!strstr(entry->d_name, ".txt"))
            continue;
        CLEANUP_FREE char *path = xasprintf("%s/%s", folder, entry->d_name);
        CLEANUP_FREE struct play *play = xcalloc(1, sizeof(*play));
        char line[LINE_MAX_BYTES];
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        play->name = entry->d_name;
        while (fgets(line, sizeof(line), file))
            take_line(play, line);
        fclose(file);
        assert_true(play->requests > 0);
        count++;
    }
    closedir(open_folder);
    assert_true(count >= 4);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_dialogue_ends_as_it_says)};

    if (argc != 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
