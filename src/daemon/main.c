/*
 * farboot: one program. `serve` is the daemon; everything else is the command line that talks to it.
 */
#include "ctl/ctl.h"
#include "daemon/check.h"
#include "daemon/services.h"

#include <getopt.h>
#include <stdio.h>

static int serve(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {NULL}};
    const char *path = CONFIG_DEFAULT_PATH;
    CLEANUP(cleanup_config) struct config *config = NULL;
    struct error error = {0};
    int option;

    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option != 'c')
            return CTL_EXIT_USAGE;
        path = optarg;
    }
    if (optind != argc)
        return CTL_EXIT_USAGE;
    int r = config_load(path, &config, &error);
    if (r == 0) {
        log_set_level(config->log);
        r = services_run(config, &error);
    }
    if (r < 0)
        fprintf(stderr, "farboot: %s\n", error.text);
    return r < 0 ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

int main(int argc, char **argv)
{
    static const struct ctl_hooks hooks = {.serve = serve, .check_store = check_stopped_store};

    return ctl_main(argc, argv, &hooks);
}
