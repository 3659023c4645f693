/*
 * Rows and columns: each column as wide as its widest cell, the last one cut where the terminal ends.
 */
#pragma once

#include "ctl/terminal.h"

enum { TABLE_COLUMNS_MAX = 8, TABLE_CELL_SIZE = 400 };

struct table;

/* `titles` ends with NULL; at most TABLE_COLUMNS_MAX. */
struct table *table_new(const char *const *titles);
void table_free(struct table *table);
DEFINE_CLEANUP(table, struct table *, table_free)

/* One cell after the other, row by row. Longer ones are cut at TABLE_CELL_SIZE. */
void table_cell(struct table *table, const char *text);
void table_cell_coloured(struct table *table, enum colour colour, const char *text);
/* What stands for an empty text. */
static inline const char *or_dash(const char *text)
{
    return *text ? text : "-";
}
/* Title and rows; nothing at all when there is no row. */
void table_print(const struct table *table, FILE *to);
