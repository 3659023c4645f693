/*
 * Settings on the command line: the same for machines, groups and the defaults.
 */
#pragma once

#include "ctl/command.h"

#include <jansson.h>

/* Puts what was given into the member "settings" of `body`, which stays away when nothing was. False, with a complaint,
 * for what is not UTF-8. */
bool setting_options(const struct arguments *arguments, json_t *body);

/* The member "settings" of an answer: each with its value and where it comes from. Without `all`, empty ones that
 * nobody set are left out. */
void print_settings(const json_t *owner, bool all);
