//! Lists, errors and downloads at their largest, over connections that age.
