#include "ctl/table.h"

enum { GAP = 2 };

struct cell {
    char text[TABLE_CELL_SIZE];
    enum colour colour;
};

struct table {
    const char *const *titles;
    size_t column_count;
    size_t cell_count;
    size_t capacity;
    struct cell *cells;
};

struct table *table_new(const char *const *titles)
{
    struct table *table = xcalloc(1, sizeof(*table));

    table->titles = titles;
    while (titles[table->column_count])
        table->column_count++;
    CHECK(table->column_count > 0 && table->column_count <= TABLE_COLUMNS_MAX);
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    free(table->cells);
    free(table);
}

void table_cell_coloured(struct table *table, enum colour colour, const char *text)
{
    if (table->cell_count == table->capacity) {
        table->capacity = MAX(table->capacity * 2, (size_t)64);
        table->cells = xrealloc(table->cells, table->capacity, sizeof(*table->cells));
    }
    struct cell *cell = &table->cells[table->cell_count++];
    cell->colour = colour;
    COPY_STRING(cell->text, text);
}

void table_cell(struct table *table, const char *text)
{
    table_cell_coloured(table, COLOUR_NONE, text);
}

static unsigned width_of(const char *text)
{
    unsigned width = 0;

    for (; *text; text++)
        width += ((uint8_t)*text & 0xc0) != 0x80;
    return width;
}

static void measure(const struct table *table, unsigned *widths)
{
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = width_of(table->titles[i]);
    for (size_t i = 0; i < table->cell_count; i++) {
        unsigned *width = &widths[i % table->column_count];
        *width = MAX(*width, width_of(table->cells[i].text));
    }
}

/* Cuts between characters, never inside one, and says so with dots. */
static void cut(char *text, unsigned columns)
{
    static const char dots[] = "...";
    unsigned kept = columns > strlen(dots) ? columns - (unsigned)strlen(dots) : 0;

    if (width_of(text) <= columns)
        return;
    for (; kept > 0; kept--) {
        text++;
        while (((uint8_t)*text & 0xc0) == 0x80)
            text++;
    }
    copy_string(text, sizeof(dots), dots);
}

static void print_row(const struct table *table, FILE *to, const struct cell *row, const unsigned *widths)
{
    unsigned columns = terminal_columns(to), used = 0;

    for (size_t i = 0; i < table->column_count; i++) {
        struct cell cell = row[i];
        bool last = i + 1 == table->column_count;
        if (last)
            cut(cell.text, columns > used ? columns - used : 0);
        fputs(colour_begin(to, cell.colour), to);
        print_safe(to, cell.text);
        fputs(cell.colour == COLOUR_NONE ? "" : colour_end(to), to);
        if (!last)
            fprintf(to, "%*s", (int)(widths[i] - width_of(cell.text) + GAP), "");
        used += widths[i] + GAP;
    }
    fputc('\n', to);
}

void table_print(const struct table *table, FILE *to)
{
    unsigned widths[TABLE_COLUMNS_MAX];
    struct cell titles[TABLE_COLUMNS_MAX] = {0};

    if (table->cell_count == 0)
        return;
    CHECK(table->cell_count % table->column_count == 0);
    measure(table, widths);
    for (size_t i = 0; i < table->column_count; i++) {
        titles[i].colour = COLOUR_FAINT;
        COPY_STRING(titles[i].text, table->titles[i]);
    }
    print_row(table, to, titles, widths);
    for (size_t i = 0; i < table->cell_count; i += table->column_count)
        print_row(table, to, &table->cells[i], widths);
}
