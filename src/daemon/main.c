/*
 * farboot: one program. `serve` is the daemon; everything else is the command line that talks to it.
 */
#include "ctl/ctl.h"
#include "daemon/services.h"

#include <getopt.h>
#include <stdio.h>

static int usage(FILE *to)
{
    fprintf(to, "usage: farboot serve [--config FILE]\n\n"
                "Runs the daemon in the foreground until SIGTERM. The configuration is " CONFIG_DEFAULT_PATH
                "\nunless FILE is given; farboot.yaml(5) explains it.\n");
    return to == stdout ? CTL_EXIT_OK : CTL_EXIT_USAGE;
}

static int serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL}};
    const char *path = CONFIG_DEFAULT_PATH;
    CLEANUP(cleanup_config) struct config *config = NULL;
    struct error error = {0};
    int option;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option != 'c')
            return usage(option == 'h' ? stdout : stderr);
        path = optarg;
    }
    if (optind != argc)
        return usage(stderr);
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
    return ctl_main(argc, argv, serve);
}
