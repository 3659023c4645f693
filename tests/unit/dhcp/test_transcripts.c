/*
 * Plays the dialogues of tests/transcripts/dhcp against the engines and compares every byte of the options.
 *
 * A transcript says who we are and then alternates what a client sent and what it must get:
 *
 *   mode server|proxy
 *   machine NAME MAC [san]
 *   -> xid=HEX chaddr=MAC [flags=HEX]        then option bytes, from behind the cookie to END
 *   <- OUTCOME [yiaddr= siaddr= via= delay=] then the option bytes of the reply
 *
 * Bytes are hex pairs, "text", or XX*N for a repeated one. We are 192.0.2.1, the router is 192.0.2.254, and
 * 192.0.2.50 is reserved for the machine.
 */
#include "conversation.h"

#include "base/bytes.h"

#include <dirent.h>
#include <stdio.h>

enum { BYTES_MAX = 1024, LINE_MAX_BYTES = 512 };

struct step {
    char head[LINE_MAX_BYTES];
    uint8_t bytes[BYTES_MAX];
    size_t length_bytes;
};

struct play {
    const char *name;
    struct scene *scene;
    struct step client;
    struct step reply;
};

static void take_bytes(struct step *step, const char *line)
{
    while (*(line += strspn(line, " \n"))) {
        unsigned value;
        unsigned times = 1;
        int used = 0;
        if (*line == '"') {
            size_t length = strcspn(++line, "\"");
            memcpy(step->bytes + step->length_bytes, line, length);
            step->length_bytes += length;
            line += length + 1;
            continue;
        }
        assert_true(sscanf(line, "%2x%n", &value, &used) == 1);
        line += used;
        if (sscanf(line, "*%u%n", &times, &used) == 1)
            line += used;
        assert_true(step->length_bytes + times < BYTES_MAX);
        memset(step->bytes + step->length_bytes, (int)value, times);
        step->length_bytes += times;
    }
}

/* The word after `key=`; "" if there is none. */
static const char *value_of(char to[64], const char *head, const char *key)
{
    const char *at = strstr(head, key);

    to[0] = '\0';
    if (at)
        sscanf(at + strlen(key), "%63s", to);
    return to;
}

static void decode_client(struct play *play)
{
    uint8_t bytes[DHCP_MESSAGE_MAX_BYTES];
    struct writer w = writer_over(bytes, sizeof(bytes));
    char value[64];
    struct mac mac;

    assert_true(mac_parse(value_of(value, play->client.head, "chaddr="), &mac));
    writer_be32(&w, 0x01010600);
    writer_be32(&w, (uint32_t)strtoul(value_of(value, play->client.head, "xid="), NULL, 16));
    writer_be16(&w, 0);
    writer_be16(&w, (uint16_t)strtoul(value_of(value, play->client.head, "flags="), NULL, 16));
    writer_fill(&w, 0, 16);
    writer_bytes(&w, mac.bytes, MAC_BYTES);
    writer_fill(&w, 0, 10 + DHCP_SNAME_BYTES + DHCP_FILE_BYTES);
    writer_be32(&w, 0x63825363);
    writer_bytes(&w, play->client.bytes, play->client.length_bytes);
    assert_int_equal(dhcp_message_decode(&play->scene->request, bytes, w.offset), 0);
    play->scene->context.machine = mac_equal(&mac, &play->scene->machine.mac) ? &play->scene->machine : NULL;
}

static void expect_address(const struct play *play, const char *key, uint32_t address)
{
    char value[64];
    char text[INET_TEXT_SIZE];

    if (*value_of(value, play->reply.head, key) && strcmp(value, inet_format(text, address)) != 0)
        fail_msg("%s: %s is %s, not %s", play->name, key, text, value);
}

static void expect_bytes(const struct play *play)
{
    const struct dhcp_answer *answer = &play->scene->answer;
    struct dhcp_layout layout = {dhcp_message_size_limit(&play->scene->request), answer->may_overload};
    uint8_t bytes[DHCP_REPLY_MAX_BYTES];
    unsigned left_out;
    ssize_t length = dhcp_message_encode(&answer->reply, &layout, bytes, &left_out);

    assert_int_equal(left_out, 0);
    assert_true(length >= DHCP_REPLY_MIN_BYTES);
    assert_true((size_t)length >= 240 + play->reply.length_bytes);
    for (size_t i = 0; i < (size_t)length - 240; i++) {
        uint8_t expected = i < play->reply.length_bytes ? play->reply.bytes[i] : 0;
        if (bytes[240 + i] != expected)
            fail_msg("%s: after \"%s\": option byte %zu is %02x, not %02x", play->name, play->client.head, i,
                     bytes[240 + i], expected);
    }
}

static void expect_reply(struct play *play)
{
    static const char *const outcomes[] = {
        [DHCP_OUTCOME_IGNORE] = "ignore",           [DHCP_OUTCOME_OFFER] = "offer",
        [DHCP_OUTCOME_DURABLE_OFFER] = "durable-offer", [DHCP_OUTCOME_ACK] = "ack",
        [DHCP_OUTCOME_NAK] = "nak",                 [DHCP_OUTCOME_INFORM] = "inform",
        [DHCP_OUTCOME_PROXY_OFFER] = "proxy-offer", [DHCP_OUTCOME_PROXY_ACK] = "proxy-ack",
        [DHCP_OUTCOME_OTHER_SERVER] = "other-server", [DHCP_OUTCOME_RELEASED] = "released",
        [DHCP_OUTCOME_DECLINED] = "declined",
    };
    static const char *const routes[] = {[DHCP_ROUTE_RELAY] = "relay", [DHCP_ROUTE_ADDRESS] = "address",
                                         [DHCP_ROUTE_BROADCAST] = "broadcast", [DHCP_ROUTE_HARDWARE] = "hardware"};
    const struct dhcp_answer *answer = &play->scene->answer;
    char value[64];

    decode_client(play);
    const char *outcome = outcomes[hear(play->scene)];
    sscanf(play->reply.head, "<- %63s", value);
    if (strcmp(value, outcome) != 0)
        fail_msg("%s: after \"%s\": %s, not %s", play->name, play->client.head, outcome, value);
    if (!play->reply.length_bytes)
        return;
    expect_address(play, "yiaddr=", answer->reply.yiaddr);
    expect_address(play, "siaddr=", answer->reply.siaddr);
    assert_string_equal(value_of(value, play->reply.head, "via="), routes[dhcp_route(&play->scene->request, answer)]);
    assert_int_equal(atoi(value_of(value, play->reply.head, "delay=")), answer->delay_ms);
    expect_bytes(play);
}

static void set_machine(struct play *play, const char *line)
{
    struct machine *machine = &play->scene->machine;
    char mac[32] = "";
    char boot[16] = "disk";

    sscanf(line, "machine %63s %31s %15s", machine->name, mac, boot);
    assert_true(mac_parse(mac, &machine->mac));
    assert_true(machine_boot_from_name(boot, &machine->boot));
    machine->address = 0xc0000232;
}

static void set_mode(struct play *play, const char *line)
{
    play->scene->config.mode = strstr(line, "server") ? DHCP_MODE_SERVER : DHCP_MODE_PROXY;
    play->scene->config.subnet_count = 1;
    play->scene->config.subnets[0] = (struct dhcp_subnet){
        .network = {0xc0000200, 24}, .range_first = 0xc0000232, .range_last = 0xc000023b, .router = 0xc00002fe,
        .dns = {0xc00002fe}, .dns_count = 1, .domain = "lab", .lease_seconds = 3600};
    play->scene->context.server_address = 0xc0000201;
}

static void finish(struct play *play)
{
    if (play->reply.head[0])
        expect_reply(play);
    play->client = (struct step){0};
    play->reply = (struct step){0};
}

static void take_line(struct play *play, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "mode ", 5) == 0)
        set_mode(play, line);
    else if (strncmp(line, "machine ", 8) == 0)
        set_machine(play, line);
    else if (strncmp(line, "-> ", 3) == 0) {
        finish(play);
        COPY_STRING(play->client.head, line);
    } else if (strncmp(line, "<- ", 3) == 0)
        COPY_STRING(play->reply.head, line);
    else if (line[0] != '#')
        take_bytes(play->reply.head[0] ? &play->reply : &play->client, line);
}

static const char *folder;

static void every_dialogue_is_byte_for_byte(void **state)
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
        play->scene = scene_new(DHCP_MODE_SERVER);
        while (fgets(line, sizeof(line), file))
            take_line(play, line);
        finish(play);
        fclose(file);
        scene_free(play->scene);
        count++;
    }
    closedir(open_folder);
    assert_true(count >= 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_dialogue_is_byte_for_byte)};

    if (argc != 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
