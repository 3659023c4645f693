/*
 * In two steps: libcyaml turns the text into the structures below by a table, then each text becomes the value it
 * means, with a sentence of its own when it means none.
 */
#include "daemon/config.h"

#include "base/text.h"
#include "iscsi/chap.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

enum { INTERFACES_MAX = 16, SUBNETS_MAX = 64, LEASE_SECONDS_MIN = 60, LEASE_SECONDS_DEFAULT = 3600, CHAP_ALGORITHMS_LISTED_MAX = 8 };

#define DEFAULT_USER "farboot"
#define DEFAULT_STORE "/var/lib/farboot"
#define DEFAULT_SOCKET "/run/farboot/farboot.sock"
#define DEFAULT_PROGRAM_FOLDER "/usr/lib/ipxe"
#define DEFAULT_IQN_PREFIX "iqn.2026-11.internal.farboot"
#define DEFAULT_STORE_WARN "10%"
#define DEFAULT_STORE_REFUSE "5%"
#define DEFAULT_STORE_FULL "1%"
#define DEFAULT_NFS_BOOT_PATH "/srv/tftp"
#define DEFAULT_NFS_ROOT_PATH "/srv/nfs"
enum { DEFAULT_HTTP_PORT = 80, DEFAULT_ISCSI_PORT = 3260, DEFAULT_NFS_PORT = 2049, NFS_PATH_MAX = 200, STORE_MARK_PERCENT_MAX = 90 };

/* ---- the text, as it stands in the file ---- */

struct yaml_subnet {
    char *subnet;
    char *range;
    char *router;
    char **dns;
    unsigned dns_count;
    char *domain;
    char **ntp;
    unsigned ntp_count;
    uint32_t *lease_seconds;
};

struct yaml_dhcp {
    char *mode;
    bool *authoritative;
    bool *known_only;
    struct yaml_subnet *subnets;
    unsigned subnets_count;
};

struct yaml_http {
    bool *enabled;
    uint16_t *port;
};

struct yaml_tftp {
    bool *enabled;
};

struct yaml_nfs {
    bool *enabled;
    uint16_t *port;
    bool *port_mapper;
    char *boot_path;
    char *root_path;
};

struct yaml_iscsi {
    uint16_t *port;
    char *iqn_prefix;
    char **chap_algorithms;
    unsigned chap_algorithms_count;
    bool *discovery_auth;
};

struct yaml_config {
    char **interfaces;
    unsigned interfaces_count;
    char *user;
    char *store;
    char *store_warn;
    char *store_refuse;
    char *store_full;
    char *socket;
    char *log;
    struct yaml_dhcp *dhcp;
    struct yaml_tftp *tftp;
    struct yaml_http *http;
    struct yaml_nfs *nfs;
    struct yaml_iscsi *iscsi;
    char *ipxe;
};

#define OPTIONAL_PTR (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_value_t string_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, 1024)};

static const cyaml_schema_field_t subnet_fields[] = {
    CYAML_FIELD_STRING_PTR("subnet", CYAML_FLAG_POINTER, struct yaml_subnet, subnet, 0, 64),
    CYAML_FIELD_STRING_PTR("range", OPTIONAL_PTR, struct yaml_subnet, range, 0, 64),
    CYAML_FIELD_STRING_PTR("router", OPTIONAL_PTR, struct yaml_subnet, router, 0, 64),
    CYAML_FIELD_SEQUENCE("dns", OPTIONAL_PTR, struct yaml_subnet, dns, &string_entry, 0, CONFIG_ADDRESSES_MAX),
    CYAML_FIELD_STRING_PTR("domain", OPTIONAL_PTR, struct yaml_subnet, domain, 0, 255),
    CYAML_FIELD_SEQUENCE("ntp", OPTIONAL_PTR, struct yaml_subnet, ntp, &string_entry, 0, CONFIG_ADDRESSES_MAX),
    CYAML_FIELD_UINT_PTR("lease_seconds", OPTIONAL_PTR, struct yaml_subnet, lease_seconds),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t subnet_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_subnet, subnet_fields)};

static const cyaml_schema_field_t dhcp_fields[] = {
    CYAML_FIELD_STRING_PTR("mode", OPTIONAL_PTR, struct yaml_dhcp, mode, 0, 16),
    CYAML_FIELD_BOOL_PTR("authoritative", OPTIONAL_PTR, struct yaml_dhcp, authoritative),
    CYAML_FIELD_BOOL_PTR("known_only", OPTIONAL_PTR, struct yaml_dhcp, known_only),
    CYAML_FIELD_SEQUENCE("subnets", OPTIONAL_PTR, struct yaml_dhcp, subnets, &subnet_entry, 0, SUBNETS_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t http_fields[] = {
    CYAML_FIELD_BOOL_PTR("enabled", OPTIONAL_PTR, struct yaml_http, enabled),
    CYAML_FIELD_UINT_PTR("port", OPTIONAL_PTR, struct yaml_http, port),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t tftp_fields[] = {
    CYAML_FIELD_BOOL_PTR("enabled", OPTIONAL_PTR, struct yaml_tftp, enabled),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t nfs_fields[] = {
    CYAML_FIELD_BOOL_PTR("enabled", OPTIONAL_PTR, struct yaml_nfs, enabled),
    CYAML_FIELD_UINT_PTR("port", OPTIONAL_PTR, struct yaml_nfs, port),
    CYAML_FIELD_BOOL_PTR("port_mapper", OPTIONAL_PTR, struct yaml_nfs, port_mapper),
    CYAML_FIELD_STRING_PTR("boot_path", OPTIONAL_PTR, struct yaml_nfs, boot_path, 1, NFS_PATH_MAX),
    CYAML_FIELD_STRING_PTR("root_path", OPTIONAL_PTR, struct yaml_nfs, root_path, 1, NFS_PATH_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t iscsi_fields[] = {
    CYAML_FIELD_UINT_PTR("port", OPTIONAL_PTR, struct yaml_iscsi, port),
    CYAML_FIELD_STRING_PTR("iqn_prefix", OPTIONAL_PTR, struct yaml_iscsi, iqn_prefix, 0, 180),
    CYAML_FIELD_SEQUENCE("chap_algorithms", OPTIONAL_PTR, struct yaml_iscsi, chap_algorithms, &string_entry, 1,
                         CHAP_ALGORITHMS_LISTED_MAX),
    CYAML_FIELD_BOOL_PTR("discovery_auth", OPTIONAL_PTR, struct yaml_iscsi, discovery_auth),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_SEQUENCE("interfaces", CYAML_FLAG_POINTER, struct yaml_config, interfaces, &string_entry, 1,
                         INTERFACES_MAX),
    CYAML_FIELD_STRING_PTR("user", OPTIONAL_PTR, struct yaml_config, user, 0, 32),
    CYAML_FIELD_STRING_PTR("store", OPTIONAL_PTR, struct yaml_config, store, 1, 1024),
    CYAML_FIELD_STRING_PTR("store_warn", OPTIONAL_PTR, struct yaml_config, store_warn, 1, 16),
    CYAML_FIELD_STRING_PTR("store_refuse", OPTIONAL_PTR, struct yaml_config, store_refuse, 1, 16),
    CYAML_FIELD_STRING_PTR("store_full", OPTIONAL_PTR, struct yaml_config, store_full, 1, 16),
    CYAML_FIELD_STRING_PTR("socket", OPTIONAL_PTR, struct yaml_config, socket, 1, 100),
    CYAML_FIELD_STRING_PTR("log", OPTIONAL_PTR, struct yaml_config, log, 0, 16),
    CYAML_FIELD_MAPPING_PTR("dhcp", OPTIONAL_PTR, struct yaml_config, dhcp, dhcp_fields),
    CYAML_FIELD_MAPPING_PTR("tftp", OPTIONAL_PTR, struct yaml_config, tftp, tftp_fields),
    CYAML_FIELD_MAPPING_PTR("http", OPTIONAL_PTR, struct yaml_config, http, http_fields),
    CYAML_FIELD_MAPPING_PTR("nfs", OPTIONAL_PTR, struct yaml_config, nfs, nfs_fields),
    CYAML_FIELD_MAPPING_PTR("iscsi", OPTIONAL_PTR, struct yaml_config, iscsi, iscsi_fields),
    CYAML_FIELD_STRING_PTR("ipxe", OPTIONAL_PTR, struct yaml_config, ipxe, 1, 1024),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_config, config_fields)};

/* What libcyaml logs about a failure: first the reason, then one line per level of where, the innermost first. */
struct complaint {
    char reason[256];
    unsigned line;
    unsigned column;
};

static void collect_line(cyaml_log_t level, void *arg, const char *format, va_list ap)
{
    struct complaint *complaint = arg;
    char line[256];

    vsnprintf(line, sizeof(line), format, ap);
    const char *place = strstr(line, "(line: ");
    if (place && !complaint->line) {
        sscanf(place, "(line: %u, column: %u)", &complaint->line, &complaint->column);
    } else if (!place && !complaint->reason[0]) {
        const char *start = string_starts_with(line, "Load: ") ? line + 6 : line;
        quote_into(complaint->reason, sizeof(complaint->reason), start, strcspn(start, "\n"));
    }
}

/* libcyaml gives the place of what stood before an unknown key; people want the key's own. */
static void find_key(const char *path, const char *key, struct complaint *complaint)
{
    FILE *file = fopen(path, "r");
    yaml_parser_t parser;
    yaml_token_t token;
    bool found = false;
    bool end = false;

    if (!file || !yaml_parser_initialize(&parser))
        return;
    yaml_parser_set_input_file(&parser, file);
    while (!found && !end && yaml_parser_scan(&parser, &token)) {
        found = token.type == YAML_SCALAR_TOKEN && token.start_mark.line + 1 >= complaint->line &&
                strcmp((const char *)token.data.scalar.value, key) == 0;
        if (found) {
            complaint->line = (unsigned)token.start_mark.line + 1;
            complaint->column = (unsigned)token.start_mark.column + 1;
        }
        end = token.type == YAML_STREAM_END_TOKEN;
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
    fclose(file);
}

static int explain(const char *path, struct complaint *complaint, cyaml_err_t r, struct error *error)
{
    static const char unknown[] = "Unexpected key: ";

    if (string_starts_with(complaint->reason, unknown)) {
        const char *key = complaint->reason + strlen(unknown);
        find_key(path, key, complaint);
        return error_set(error, -EINVAL, "%s:%u:%u: unknown key \"%s\" (farboot.yaml(5) lists the keys)", path,
                         complaint->line, complaint->column, key);
    }
    return error_set(error, -EINVAL, "%s:%u:%u: %s", path, complaint->line, complaint->column,
                     complaint->reason[0] ? complaint->reason : cyaml_strerror(r));
}

static int read_yaml(const char *path, struct yaml_config **yaml, cyaml_config_t *how, struct error *error)
{
    struct complaint complaint = {0};

    if (access(path, R_OK) < 0)
        return error_set_errno(error, -errno, "%s: cannot be read", path);
    how->log_ctx = &complaint;
    cyaml_err_t r = cyaml_load_file(path, how, &config_schema, (cyaml_data_t **)yaml, NULL);
    return r == CYAML_OK ? 0 : explain(path, &complaint, r, error);
}

/* ---- what it means ---- */

static int read_addresses(const char *path, const char *key, char **texts, size_t text_count, uint32_t *addresses,
                          size_t *count, struct error *error)
{
    CHECK(text_count <= CONFIG_ADDRESSES_MAX);
    for (size_t i = 0; i < text_count; i++) {
        if (!inet_parse(texts[i], &addresses[i]))
            return error_set(error, -EINVAL, "%s: %s: \"%s\" is not an IPv4 address", path, key, texts[i]);
    }
    *count = text_count;
    return 0;
}

static int read_range(const char *path, const char *text, struct config_subnet *subnet, struct error *error)
{
    CLEANUP_FREE char *first = xstrdup(text);
    char *dash = strchr(first, '-');

    if (dash)
        *dash = '\0';
    if (!dash || !inet_parse(first, &subnet->range_first) || !inet_parse(dash + 1, &subnet->range_last) ||
        subnet->range_first > subnet->range_last)
        return error_set(error, -EINVAL, "%s: range: \"%s\" is not FIRST-LAST, two IPv4 addresses in order", path, text);
    if (!inet_network_contains(&subnet->network, subnet->range_first) ||
        !inet_network_contains(&subnet->network, subnet->range_last))
        return error_set(error, -EINVAL, "%s: range: \"%s\" lies outside its subnet", path, text);
    subnet->has_range = true;
    return 0;
}

static int read_subnet(const char *path, const struct yaml_subnet *yaml, struct config_subnet *subnet,
                       struct error *error)
{
    int r = 0;

    if (!inet_network_parse(yaml->subnet, &subnet->network))
        return error_set(error, -EINVAL, "%s: subnet: \"%s\" is not a network like 192.168.20.0/24", path, yaml->subnet);
    if (yaml->range)
        r = read_range(path, yaml->range, subnet, error);
    if (r == 0 && yaml->router && !inet_parse(yaml->router, &subnet->router))
        r = error_set(error, -EINVAL, "%s: router: \"%s\" is not an IPv4 address", path, yaml->router);
    if (r == 0)
        r = read_addresses(path, "dns", yaml->dns, yaml->dns_count, subnet->dns, &subnet->dns_count, error);
    if (r == 0)
        r = read_addresses(path, "ntp", yaml->ntp, yaml->ntp_count, subnet->ntp, &subnet->ntp_count, error);
    if (yaml->domain)
        COPY_STRING(subnet->domain, yaml->domain);
    subnet->lease_seconds = yaml->lease_seconds ? *yaml->lease_seconds : LEASE_SECONDS_DEFAULT;
    if (r == 0 && subnet->lease_seconds < LEASE_SECONDS_MIN)
        r = error_set(error, -EINVAL, "%s: lease_seconds: must be at least %d", path, LEASE_SECONDS_MIN);
    return r;
}

static int read_dhcp_mode(const char *path, const char *text, enum config_dhcp_mode *mode, struct error *error)
{
    static const char *const names[] = {
        [CONFIG_DHCP_PROXY] = "proxy", [CONFIG_DHCP_SERVER] = "server", [CONFIG_DHCP_OFF] = "off"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], text) == 0) {
            *mode = (enum config_dhcp_mode)i;
            return 0;
        }
    }
    return error_set(error, -EINVAL, "%s: dhcp: mode: \"%s\" is none of proxy, server, off", path, text);
}

static int read_dhcp(const char *path, const struct yaml_dhcp *yaml, struct config *config, struct error *error)
{
    int r = yaml->mode ? read_dhcp_mode(path, yaml->mode, &config->dhcp_mode, error) : 0;

    if (yaml->authoritative)
        config->dhcp_authoritative = *yaml->authoritative;
    if (yaml->known_only)
        config->dhcp_known_only = *yaml->known_only;
    config->subnets = xcalloc(yaml->subnets_count, sizeof(*config->subnets));
    config->subnet_count = yaml->subnets_count;
    for (size_t i = 0; r == 0 && i < yaml->subnets_count; i++)
        r = read_subnet(path, &yaml->subnets[i], &config->subnets[i], error);
    if (r == 0 && config->dhcp_mode == CONFIG_DHCP_SERVER && config->subnet_count == 0)
        r = error_set(error, -EINVAL, "%s: dhcp: mode server needs at least one entry under subnets", path);
    if (r == 0 && config->dhcp_mode != CONFIG_DHCP_SERVER && config->subnet_count != 0)
        r = error_set(error, -EINVAL, "%s: dhcp: subnets are only for mode server; farboot would not use them", path);
    return r;
}

/* RFC 3720 3.2.6.3.1: "iqn.", a year and month, a reversed domain name. */
static bool is_iqn_prefix(const char *text)
{
    unsigned year, month;
    int length = 0;

    if (sscanf(text, "iqn.%4u-%2u.%n", &year, &month, &length) < 2 || length != 12 || month < 1 || month > 12)
        return false;
    return text[length] && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.:-") == strlen(text);
}

static int read_chap_algorithms(const char *path, const struct yaml_iscsi *yaml, struct config *config,
                                struct error *error)
{
    enum chap_algorithm algorithm;

    for (unsigned i = 0; i < yaml->chap_algorithms_count; i++) {
        const char *name = yaml->chap_algorithms[i];
        if (!chap_algorithm_from_name(name, &algorithm))
            return error_set(error, -EINVAL, "%s: iscsi: chap_algorithms: \"%s\" is none of md5, sha1, sha256, sha3-256",
                             path, name);
        config->chap_algorithms |= CHAP_ALGORITHM_BIT(algorithm);
    }
    return 0;
}

static int read_iscsi(const char *path, const struct yaml_iscsi *yaml, struct config *config, struct error *error)
{
    if (yaml->port)
        config->iscsi_port = *yaml->port;
    if (config->iscsi_port == 0)
        return error_set(error, -EINVAL, "%s: iscsi: port: 0 is not a port", path);
    if (yaml->iqn_prefix && !is_iqn_prefix(yaml->iqn_prefix))
        return error_set(error, -EINVAL, "%s: iscsi: iqn_prefix: \"%s\" is not like iqn.2026-11.internal.farboot", path,
                         yaml->iqn_prefix);
    if (yaml->iqn_prefix) {
        free(config->iqn_prefix);
        config->iqn_prefix = xstrdup(yaml->iqn_prefix);
    }
    if (yaml->discovery_auth)
        config->discovery_auth = *yaml->discovery_auth;
    return read_chap_algorithms(path, yaml, config, error);
}

static int read_http(const char *path, const struct yaml_http *yaml, struct config *config, struct error *error)
{
    config->http_port_named = yaml->port;
    if (yaml->port)
        config->http_port = *yaml->port;
    return config->http_port ? 0 : error_set(error, -EINVAL, "%s: http: port: 0 is not a port", path);
}

/* ---- the marks of low space ---- */

/* "10%" of the file system, or a size. */
static bool parse_mark(const char *text, struct store_mark *mark)
{
    CLEANUP_FREE char *number = xstrdup(text);
    char *percent = strchr(number, '%');
    uint64_t value;

    *mark = (struct store_mark){0};
    if (!percent)
        return parse_size(text, &mark->bytes);
    *percent = '\0';
    if (percent[1] || !parse_u64(number, STORE_MARK_PERCENT_MAX, &value))
        return false;
    mark->percent = (unsigned)value;
    return true;
}

static int read_marks(const char *path, const struct yaml_config *yaml, struct config *config, struct error *error)
{
    const struct {
        enum store_space space;
        const char *key;
        const char *text;
    } rows[] = {
        {STORE_SPACE_LOW, "store_warn", yaml->store_warn ?: DEFAULT_STORE_WARN},
        {STORE_SPACE_REFUSING, "store_refuse", yaml->store_refuse ?: DEFAULT_STORE_REFUSE},
        {STORE_SPACE_FULL, "store_full", yaml->store_full ?: DEFAULT_STORE_FULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!parse_mark(rows[i].text, &config->store_marks[rows[i].space]))
            return error_set(error, -EINVAL, "%s: %s: \"%s\" is neither a part of the disk like 10%% (at most %d%%) nor "
                             "a size like 20G", path, rows[i].key, rows[i].text, STORE_MARK_PERCENT_MAX);
    }
    return 0;
}

/* A path of NFS: absolute, plain, without a '/' at its end. */
static int read_nfs_path(const char *path, const char *key, const char *text, char **to, struct error *error)
{
    if (text[0] != '/' || text[1] == '\0' || string_ends_with(text, "/") || strstr(text, "//") || strstr(text, "/."))
        return error_set(error, -EINVAL, "%s: nfs: %s: \"%s\" is not a path like /srv/tftp", path, key, text);
    free(*to);
    *to = xstrdup(text);
    return 0;
}

static int read_nfs(const char *path, const struct yaml_nfs *yaml, struct config *config, struct error *error)
{
    int r = 0;

    config->nfs_asked_for = true;
    if (yaml->enabled)
        config->nfs_enabled = *yaml->enabled;
    if (yaml->port_mapper)
        config->nfs_port_mapper = *yaml->port_mapper;
    if (yaml->port)
        config->nfs_port = *yaml->port;
    if (config->nfs_port == 0)
        return error_set(error, -EINVAL, "%s: nfs: port: 0 is not a port", path);
    if (yaml->boot_path)
        r = read_nfs_path(path, "boot_path", yaml->boot_path, &config->nfs_boot_path, error);
    if (r == 0 && yaml->root_path)
        r = read_nfs_path(path, "root_path", yaml->root_path, &config->nfs_root_path, error);
    if (r == 0 && string_equal(config->nfs_boot_path, config->nfs_root_path))
        r = error_set(error, -EINVAL, "%s: nfs: boot_path and root_path must differ", path);
    return r;
}

static struct config *config_with_defaults(const struct yaml_config *yaml)
{
    struct config *config = xcalloc(1, sizeof(*config));

    config->interfaces = xcalloc(yaml->interfaces_count, sizeof(*config->interfaces));
    config->interface_count = yaml->interfaces_count;
    for (size_t i = 0; i < yaml->interfaces_count; i++)
        config->interfaces[i] = xstrdup(yaml->interfaces[i]);
    config->user = xstrdup(yaml->user ? yaml->user : DEFAULT_USER);
    config->store = xstrdup(yaml->store ? yaml->store : DEFAULT_STORE);
    config->socket = xstrdup(yaml->socket ? yaml->socket : DEFAULT_SOCKET);
    config->log = LOG_LEVEL_INFO;
    config->dhcp_authoritative = true;
    config->tftp_enabled = yaml->tftp && yaml->tftp->enabled ? *yaml->tftp->enabled : true;
    config->http_enabled = yaml->http && yaml->http->enabled ? *yaml->http->enabled : true;
    config->http_port = DEFAULT_HTTP_PORT;
    config->nfs_enabled = true;
    config->nfs_port = DEFAULT_NFS_PORT;
    config->nfs_port_mapper = true;
    config->nfs_boot_path = xstrdup(DEFAULT_NFS_BOOT_PATH);
    config->nfs_root_path = xstrdup(DEFAULT_NFS_ROOT_PATH);
    config->iscsi_port = DEFAULT_ISCSI_PORT;
    config->iqn_prefix = xstrdup(DEFAULT_IQN_PREFIX);
    config->program_folder = xstrdup(yaml->ipxe ? yaml->ipxe : DEFAULT_PROGRAM_FOLDER);
    return config;
}

static int interpret(const char *path, const struct yaml_config *yaml, struct config *config, struct error *error)
{
    int r = 0;

    if (yaml->log && !log_level_from_text(yaml->log, &config->log))
        r = error_set(error, -EINVAL, "%s: log: \"%s\" is none of debug, info, warning, error", path, yaml->log);
    if (r == 0)
        r = read_marks(path, yaml, config, error);
    if (r == 0 && yaml->dhcp)
        r = read_dhcp(path, yaml->dhcp, config, error);
    if (r == 0 && yaml->http)
        r = read_http(path, yaml->http, config, error);
    if (r == 0 && yaml->nfs)
        r = read_nfs(path, yaml->nfs, config, error);
    if (r == 0 && yaml->iscsi)
        r = read_iscsi(path, yaml->iscsi, config, error);
    return r;
}

int config_load(const char *path, struct config **config, struct error *error)
{
    cyaml_config_t how = {.log_fn = collect_line, .log_level = CYAML_LOG_ERROR, .mem_fn = cyaml_mem};
    struct yaml_config *yaml = NULL;
    int r = read_yaml(path, &yaml, &how, error);

    if (r < 0)
        return r;
    CLEANUP(cleanup_config) struct config *loaded = config_with_defaults(yaml);
    r = interpret(path, yaml, loaded, error);
    cyaml_free(&how, &config_schema, yaml, 0);
    if (r == 0)
        *config = TAKE_PTR(loaded);
    return r;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->interface_count; i++)
        free(config->interfaces[i]);
    free(config->interfaces);
    free(config->user);
    free(config->store);
    free(config->socket);
    free(config->subnets);
    free(config->iqn_prefix);
    free(config->nfs_boot_path);
    free(config->nfs_root_path);
    free(config->program_folder);
    free(config);
}
